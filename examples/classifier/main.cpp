// Classifies sequences: words by their language, rows of pixels by their digit, or the user's own file.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "examples/support/c_file.hpp"
#include "examples/support/cells.hpp"
#include "examples/support/run.hpp"
#include "examples/support/saved.hpp"
#include "examples/support/tables.hpp"
#include "framework/quoted.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {
namespace {

constexpr const char* kDescription =
    "Learns to classify sequences: words (languages), digits (8 rows of 8 pixels), or your own file.\n\n"
    "The table in examples/README.md (TASK words, digits; CELL rnn, lstm, gru; X 1, 2, 3):\n"
    "  classifier --task TASK --cell CELL --seed X\n"
    "Two words with the saved model: classifier --predict huis przyjaciel";
constexpr const char* kFormat =
    "Your own file: comma or tab separated, UTF-8, a header line, then one row per sample. Columns: label "
    "(any text); text (read letter by letter), or else numbers (all other columns but those that count the "
    "rows, standardised; --steps T splits them into T steps); split (train, valid, test; without it the "
    "rows of every label are split 70 : 15 : 15 by a hash).";

const std::map<std::string, Recipe> kTasks{
    {"words", {.epochs = 18, .batch = 64, .hidden = 128, .lr = 2e-3, .clip = 5.0}},
    {"digits", {.epochs = 60, .batch = 32, .hidden = 64, .lr = 3e-3, .clip = 1.0}},
    {"own", {.epochs = 30, .batch = 32, .hidden = 64, .lr = 2e-3, .clip = 1.0}}};

struct Options : TrainingOptions {
  std::string task, data, model, input, label = "label";
  GivenTable table;
  std::vector<std::string> items;
  std::optional<Index> steps;
  CFileOptions c_file;
};

// Letters go through an embedding, numbers unchanged; the last state of a recurrent layer scores the classes.
template <class Layer>
struct Classifier {
  using Scalar = float;
  bool reads_text;
  Embedding<float> embedding;
  Dropout<float> dropout;
  Layer layer;
  Linear<float> head;

  Classifier(const TableEncoder<float>& encoder, Index hidden, Rng& rng) : reads_text(encoder.reads_text()) {
    if (reads_text) embedding = {static_cast<Index>(encoder.vocabulary()->size()), 32, rng};
    layer = Layer({.input = reads_text ? 32 : encoder.features(), .hidden = hidden}, rng);
    head = {hidden, static_cast<Index>(encoder.labels().size()), rng};
    dropout = {0.2, rng};
  }
  static void each(auto& self, auto&& visit) {
    if (self.reads_text) visit("embedding", self.embedding);
    visit("dropout", self.dropout);
    visit("layer", self.layer);
    visit("head", self.head);
  }
  Var<float> operator()(const Batch<float>& batch) const {
    const Var<float> x = reads_text ? embedding(batch.ids) : Var<float>(batch.values);
    return head(dropout(last(layer(dropout(x), {.lengths = batch.lengths}))));
  }
};

// Writes the model as a C file: a step reads a letter or a row of numbers, and after the last step y are the
// scores of the classes.
template <class Layer>
void write_c_file(const Options& o, const TableEncoder<float>& encoder, const Classifier<Layer>& model) {
  const std::string comment = fmt::format(
      "y: scores of {}, after the last step. {}, as the model's file says: {}",
      fmt::join(encoder.labels().names(), ", "), model.reads_text ? "ids" : "x", encoder.to_json());
  if (model.reads_text)
    examples::write_c_file(o.c_file, comment, model.embedding, model.layer, model.head);
  else
    examples::write_c_file(o.c_file, comment, model.layer, model.head);
}

EncodedTable<float> load(const Options& o) {
  const std::string shipped = o.task == "words" ? "/words" : "/digits.csv";
  const std::string path = o.data.empty() ? UNROLL_EXAMPLE_DATA + shipped : o.data;
  Table table = o.task == "words" ? read_tables(path, "label") : read_given(path, o.table);
  TableColumns<float> columns{.label = o.label, .steps = o.steps.value_or(o.task == "digits" ? 8 : 0)};
  if (o.task == "words") columns.text = "ascii";
  if (o.task == "own" && table.find("text")) columns.text = "text";
  if (o.task == "digits") columns.standardizer = {zeros<float>({8}), full<float>({8}, 16.0F)};
  const RowNumbers rows = columns.text.empty() ? row_numbers(table) : RowNumbers();
  const auto is_input = [&](const std::string& name) { return name != o.label && name != columns.split; };
  for (const std::string& name : rows.sure) {
    if (!is_input(name)) continue;
    print_note("classifier", fmt::format("column {} only counts the rows: it is left out", quoted(name)));
    table = table.without(std::vector{name});
  }
  for (const std::string& name : rows.likely) {
    if (is_input(name))
      print_note("classifier", fmt::format("column {0} rises from row to row by whole numbers: if it only "
                                           "counts them, --ignore {0} leaves it out",
                                           quoted(name)));
  }
  return encode_table(table, columns);
}

template <class Layer>
int train(const Options& o) {
  const EncodedTable<float> data = load(o);
  std::vector<std::string> classes;
  for (const std::string& name : data.encoder.labels().names()) classes.push_back(escaped(name, 30));
  const Recipe recipe = kTasks.at(o.task).with(o);
  Metadata metadata = model_metadata("classifier", o, recipe);
  metadata.set("task", o.task);
  metadata.set("encoder", data.encoder.to_json());
  Rng rng(o.seed);
  Classifier<Layer> model(data.encoder, recipe.hidden, rng);
  fmt::print("{}\n\n{}\n", to_string(data), summary(model));
  Batches<float> batches(data.train, {.batch_size = recipe.batch, .shuffle = true, .seed = o.seed});
  Run run(o, recipe, o.model, metadata);
  Adam<float> adam(parameters(model), {.lr = recipe.lr});
  Trainer trainer(model, adam, CrossEntropyLoss(), run.classifies(batches.size()).options, Accuracy());
  const auto result = trainer.fit(batches, Batches<float>(data.valid, {.batch_size = 256}));
  if (!run.finished(result)) return Interrupt::kExitStatus;
  write_c_file(o, data.encoder, model);
  if (data.test.empty()) return 0;
  const auto test = confusion_matrix(classify(model, data.test), data.test.labels(), classes.size());
  fmt::print("test accuracy {:.2f}%\n\n{}", 100.0 * test.accuracy(), test.table(classes));
  return 0;
}

template <class Layer>
int predict(const Options& o, const Metadata& metadata) {
  const auto encoder = metadata.parsed<TableEncoder<float>>("encoder");
  const Index hidden = metadata.number("hidden", 1, 4096);
  const Index inputs = encoder.reads_text() ? 32 : encoder.features();
  auto wanted = layer_tensors<Layer>("layer", inputs, hidden);
  wanted.push_back({"head.weight", {std::ssize(encoder.labels().names()), hidden}});
  if (encoder.reads_text())
    wanted.push_back({"embedding.weight", {std::ssize(encoder.vocabulary()->tokens()), 32}});
  require_tensors(o.model, wanted);
  Rng rng(0);  // every weight is overwritten
  Classifier<Layer> model(encoder, hidden, rng);
  load_model(o.model, model, {.finite = true});
  set_training(model, false);
  write_c_file(o, encoder, model);
  if (!o.c_file.file.empty() && o.input.empty() && o.items.empty()) return 0;
  const Table table = !o.input.empty()   ? read_given(o.input, o.table)
                      : !o.items.empty() ? encoder.as_table(o.items, "item")
                                         : encoder.as_table(read_lines("/dev/stdin"), "standard input");
  const SequenceDataset<float> data = encoder.encode(table);
  const auto& names = encoder.labels().names();
  const auto found = classify(model, data);
  for (std::size_t n = 0; n < found.size(); ++n)
    fmt::print("{}\t{}\t{:.4f}\n", escaped(encoder.name(table, n)),
               escaped(names[static_cast<std::size_t>(found[n].label)]), found[n].probability);
  if (encoder.labelled(table))
    fmt::print("accuracy {:.2f}% of {} rows\n",
               100.0 * confusion_matrix(found, data.labels(), names.size()).accuracy(), found.size());
  return 0;
}

int run(int argc, const char* const* argv) {
  Options o;
  CLI::App app(kDescription, "classifier");
  app.footer(kFormat);
  add_choice(app, "--task", o.task, "default words, or with --data your own", "TASK", {"words", "digits"});
  app.add_option("--data", o.data, "your file, or a task's (words: folder of LABEL.tsv)");
  add_whole_number(app, "--steps", o.steps, "time steps per row of numbers", 1, 1000000);
  app.add_option("--label", o.label, "your file: the column of classes (default label)")->type_name("NAME");
  app.add_option("--model", o.model, "to write or read (default TASK.safetensors)")->type_name("FILE");
  add_training_options(app, o, TrainingDefaults::of(kTasks));
  add_run_options(app, o);
  add_table_options(app, o.table);
  add_c_file_options(app, o.c_file);
  auto* predicts = app.add_flag("--predict")->description("ITEMs, --input or standard input's lines");
  auto* items = app.add_option("items", o.items, "--predict: texts, or rows of numbers")->needs(predicts);
  app.add_option("--input", o.input, "--predict: a table as for training")->needs(predicts)->excludes(items);
  if (!parse_command_line(app, argc, argv)) return 0;
  if (o.task.empty()) o.task = o.data.empty() ? "words" : "own";
  if (o.model.empty()) o.model = o.task + ".safetensors";
  require_c_file(o.c_file);
  if (predicts->empty()) return with_layer(o.cell, [&]<class Layer>() { return train<Layer>(o); });
  return with_saved_layer(o.model, "classifier", [&]<class Layer>(const Metadata& metadata) {
    if (app.count("--task") > 0) metadata.require("task", o.task);
    if (app.count("--cell") > 0) metadata.require("cell", o.cell);
    return predict<Layer>(o, metadata);
  });
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("classifier", [&] { return unroll::examples::run(argc, argv); });
}
