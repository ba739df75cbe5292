// Puts the marks back on words that were typed without them: every letter is tagged with its form.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <set>

#include "examples/sequence_tagger/model.hpp"
#include "examples/support/cells.hpp"
#include "examples/support/run.hpp"

namespace unroll::examples {
namespace {

struct Options {
  std::string data = std::string(UNROLL_EXAMPLE_DATA) + "/words/pl.tsv", model = "tagger.safetensors";
  TrainingOptions training;
  Words predict;
};

// Right letters, of those that can carry a mark, and right words, in percent.
void print_score(const std::string& name, const Words& plain, const Words& truth, const Words& restored,
                 const std::set<std::string, std::less<>>& carriers) {
  double all = 0, right = 0, words = 0;
  for (std::size_t n = 0; n < plain.size(); ++n) {
    const auto letters = characters(plain[n]), want = characters(truth[n]), got = characters(restored[n]);
    for (std::size_t t = 0; t < letters.size(); ++t) {
      all += carriers.contains(letters[t]) ? 1 : 0;
      right += carriers.contains(letters[t]) && want[t] == got[t] ? 1 : 0;
    }
    words += restored[n] == truth[n] ? 100.0 / static_cast<double>(plain.size()) : 0;
  }
  fmt::print("{:<12}{:>8.2f}%{:>12.2f}%\n", name, 100 * right / all, words);
}

template <class Layer>
int train(const Options& options, const Table& table) {
  const Words plain = table.texts("ascii"), words = table.texts("word");
  std::set<std::string, std::less<>> carriers;
  for (std::size_t n = 0; n < plain.size(); ++n) {
    const auto a = characters(plain[n]), b = characters(words[n]);
    if (a.size() != b.size() || a.empty()) table.fail(table.rows()[n], "word and ascii want as many letters");
    for (std::size_t t = 0; t < a.size(); ++t) {
      if (a[t] != b[t]) carriers.emplace(a[t]);
    }
  }
  const auto [rows, valid, test] = split_by_column(table);
  const auto& [cell, seed, epochs, hidden, batch_size, lr, log, plot, resume] = options.training;
  const Recipe recipe = Recipe{.epochs = 20, .batch = 32, .lr = 4e-3, .clip = 1.0}.with(options.training);
  Rng rng(seed);
  Tagger<Layer> model(Vocabulary::of(select_rows(plain, rows)),
                      Vocabulary::of(select_rows(words, rows), {.special = {"<unk>"}}), hidden.value_or(96),
                      rng);
  const auto part = [&](const auto& n) { return model.encode(select_rows(plain, n), select_rows(words, n)); };
  Batches<float> batches(part(rows),
                         {.batch_size = recipe.batch, .shuffle = true, .seed = seed, .bucket_batches = 20});

  Metadata metadata{{"program", "sequence_tagger"}, {"cell", cell}};
  metadata.set("hidden", hidden.value_or(96));
  metadata.set("letters", model.letters.to_json());
  metadata.set("forms", model.forms.to_json());
  Run run(options.training, options.model, recipe, batches.size());
  run.options.on_epoch = [&](const EpochReport& epoch) {
    if (epoch.best) save_model(options.model, model, metadata);
  };
  Adam<float> adam(parameters(model), {.lr = recipe.lr});
  const auto loss = [](Tagger<Layer>& m, const Batch<float>& batch) {
    const auto scores = m(batch);
    IndexTensor labels = batch.labels;
    labels.reshape(Shape{labels.size()});
    return Scored{cross_entropy(scores, labels), scores, labels};  // padding is labelled -100: ignored
  };
  Trainer trainer(model, adam, loss, run.options, Accuracy());
  const auto result = trainer.fit(batches, Batches<float>(part(valid), {.batch_size = 250}));
  if (result.interrupted()) return Interrupt::kExitStatus;
  run.remove_checkpoint();

  const Words read = select_rows(plain, test), truth = select_rows(words, test);
  Words restored;
  for (const std::string& word : read) restored.push_back(model.restore(word));
  fmt::print("best epoch {}, saved in {}\n\ntest         letters  whole words\n", result.best_epoch,
             options.model);
  print_score("as they are", read, truth, read, carriers);
  print_score(cell, read, truth, restored, carriers);
  for (std::size_t n = 0, shown = 0; n < read.size() && shown < 6; ++n) {
    if (read[n] == truth[n]) continue;
    fmt::print("{} -> {}{}\n", read[n], restored[n], restored[n] == truth[n] ? "" : ", want " + truth[n]);
    ++shown;
  }
  return 0;
}

template <class Layer>
int predict(const Options& options, const Metadata& file) {
  Rng rng(0);  // every weight is overwritten
  Tagger<Layer> model(Vocabulary::from_json(file.text("letters")), Vocabulary::from_json(file.text("forms")),
                      file.number("hidden", 1, 4096), rng);
  load_model(options.model, model, {.finite = true});
  set_training(model, false);
  for (const std::string& word : options.predict) fmt::print("{}\n", model.restore(word));
  return 0;
}

int run(int argc, const char* const* argv) {
  Options options;
  CLI::App app("Puts the marks back on words, letter by letter. Reads a table: split, word, ascii.",
               "sequence_tagger");
  app.footer(
      "A line of the table in examples/README.md, with pl.tsv or es.tsv, a cell and a seed:\n"
      "  sequence_tagger --data examples/data/words/pl.tsv --cell lstm --seed 1");
  app.set_help_flag("-h,--help", "print this and leave");
  app.add_option("--data", options.data, "the words (default: the shipped Polish ones)");
  app.add_option("--model", options.model, "file to write or read (default tagger.safetensors)");
  app.add_option("--predict", options.predict, "restore these words with a saved model");
  add_training_options(app, options.training, {.epochs = "20", .hidden = "96", .batch = "32", .lr = "0.004"});
  add_run_options(app, options.training);
  if (!parse_command_line(app, argc, argv)) return 0;
  if (options.predict.empty()) {
    require_writable(options.model);
    const Table table = read_table(options.data);
    return with_layer(options.training.cell, [&]<class L>() { return train<L>(options, table); });
  }
  const Metadata file = load_metadata(options.model);
  file.require("program", "sequence_tagger");
  return with_layer(file.text("cell"), [&]<class L>() { return predict<L>(options, file); });
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("sequence_tagger", [&] { return unroll::examples::run(argc, argv); });
}
