// Restores the diacritics of words that were typed without them: tags every letter with its form.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "examples/support/cells.hpp"
#include "examples/support/run.hpp"
#include "examples/support/saved.hpp"
#include "examples/support/tables.hpp"
#include "framework/quoted.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {
namespace {

using Words = std::vector<std::string>;

constexpr Recipe kRecipe{.epochs = 20, .batch = 32, .hidden = 96, .lr = 4e-3, .clip = 1.0};

// Letters (T,B) -> scores (T,C,B) of their forms; each letter is read with its context on both sides.
template <class Layer>
struct Tagger {
  using Scalar = float;
  Vocabulary letters, forms;
  Embedding<float> embedding;
  Dropout<float> dropout;
  Layer layer;
  Linear<float> head;

  // With the sizes and alphabets of a file.
  Tagger(const Metadata& file, Rng& rng)
      : letters(file.parsed<Vocabulary>("letters")),
        forms(file.parsed<Vocabulary>("forms")),
        embedding(static_cast<Index>(letters.size()), 32, rng),
        dropout(0.3, rng),
        layer({.input = 32, .hidden = file.number("hidden", 1, 4096)},
              {.layers = 2, .bidirectional = true, .dropout = 0.3}, rng),
        head(static_cast<Index>(layer.output_size()), static_cast<Index>(forms.size()), rng) {}
  static void each(auto& self, auto&& visit) {
    visit("embedding", self.embedding);
    visit("dropout", self.dropout);
    visit("layer", self.layer);
    visit("head", self.head);
  }
  Var<float> operator()(const Batch<float>& batch) const {
    const auto y = dropout(layer(dropout(embedding(batch.ids)), {.lengths = batch.lengths}).output);
    return transpose(head(y), 1, 2);
  }
  std::string restore(const std::string& plain) const {
    SequenceDataset<float> word_alone;
    word_alone.add(letters.encode(plain));
    const auto scores = (*this)(Batches<float>(word_alone).batch(0));
    const float* row = scores.data();
    std::string word;
    for (const auto letter : characters(plain)) {  // unknown letters stay unchanged
      const std::int64_t best = std::max_element(row + forms.special_count(), row + forms.size()) - row;
      word += letters.find(letter) ? forms.decode({&best, 1}) : std::string(letter);
      row += forms.size();
    }
    return word;
  }
};

// Correct letters, among those that carry a mark in some word, and correct words, in percent.
void print_score(const std::string& name, const Words& plain, const Words& truth, const Words& restored) {
  const auto join = [](const Words& words) { return fmt::to_string(fmt::join(words, " ")); };
  const std::string texts[] = {join(plain), join(truth), join(restored)};
  const auto letters = characters(texts[0]), want = characters(texts[1]), got = characters(texts[2]);
  std::set<std::string_view> carriers;
  for (std::size_t t = 0; t < letters.size(); ++t) {
    if (letters[t] != want[t]) carriers.insert(letters[t]);
  }
  double all = 0, right = 0, words = 0;
  for (std::size_t t = 0; t < letters.size(); ++t) {
    all += carriers.contains(letters[t]) ? 1 : 0;
    right += carriers.contains(letters[t]) && want[t] == got[t] ? 1 : 0;
  }
  for (std::size_t n = 0; n < truth.size(); ++n) words += truth[n] == restored[n] ? 1 : 0;
  fmt::print("{:<12}{:>8.2f}%{:>12.2f}%\n", name, 100 * right / all,
             100 * words / static_cast<double>(truth.size()));
}

template <class Layer>
int train(const TrainingOptions& o, const Table& table, const std::string& file) {
  const Words plain = table.texts("ascii"), words = table.texts("word");
  for (std::size_t n = 0; n < plain.size(); ++n) {
    const auto a = characters(plain[n]), b = characters(words[n]);
    if (a.size() != b.size() || a.empty()) table.fail(n, "word and ascii: expected equally many letters");
  }
  const Split split = split_by_column(table);
  const Recipe recipe = kRecipe.with(o);
  Metadata metadata = model_metadata("sequence_tagger", o, recipe);
  metadata.set("letters", Vocabulary::of(select_rows(plain, split.train)).to_json());
  metadata.set("forms", Vocabulary::of(select_rows(words, split.train), {.special = {"<unk>"}}).to_json());
  Rng rng(o.seed);
  Tagger<Layer> model(metadata, rng);
  SequenceDataset<float> data;
  for (std::size_t n = 0; n < plain.size(); ++n)
    data.add(model.letters.encode(plain[n]), model.forms.encode(words[n]));
  Batches<float> batches(data.select(split.train),
                         {.batch_size = recipe.batch, .shuffle = true, .seed = o.seed, .bucket_batches = 20});
  Run run(o, recipe, file, metadata);
  Adam<float> adam(parameters(model), {.lr = recipe.lr});
  Trainer trainer(model, adam, CrossEntropyLoss(), run.classifies(batches.size()).options, Accuracy());
  const auto result = trainer.fit(batches, Batches<float>(data.select(split.valid), {.batch_size = 250}));
  if (!run.finished(result)) return Interrupt::kExitStatus;
  const Words read = select_rows(plain, split.test), truth = select_rows(words, split.test);
  Words restored;
  for (const std::string& word : read) restored.push_back(model.restore(word));
  fmt::print("\ntest         letters  whole words\n");
  print_score("as they are", read, truth, read);
  print_score(o.cell, read, truth, restored);
  return 0;
}

int run(int argc, const char* const* argv) {
  std::string data = UNROLL_EXAMPLE_DATA "/words/pl.tsv", file = "tagger.safetensors";
  TrainingOptions o;
  GivenTable given;
  Words words;
  CLI::App app("Restores the diacritics of words, letter by letter. Reads a table: split, word, ascii.",
               "sequence_tagger");
  app.footer(
      "The table in examples/README.md (LANGUAGE pl, es; CELL lstm, gru; X 1, 2, 3):\n"
      "  sequence_tagger --data examples/data/words/LANGUAGE.tsv --cell CELL --seed X");
  app.add_option("--data", data, "the words (default: the shipped Polish ones)");
  app.add_option("--model", file, "file to write or read (default tagger.safetensors)");
  app.add_option("--predict", words, "restore these words with a saved model");
  add_training_options(app, o, TrainingDefaults::of(kRecipe));
  add_run_options(app, o);
  add_table_options(app, given);
  if (!parse_command_line(app, argc, argv)) return 0;
  if (words.empty()) {
    const Table table = read_given(data, given);
    return with_layer(o.cell, [&]<class Layer>() { return train<Layer>(o, table, file); });
  }
  return with_saved_layer(file, "sequence_tagger", [&]<class Layer>(const Metadata& metadata) {
    const Index hidden = metadata.number("hidden", 1, 4096);
    const auto count = [&](const char* key) { return std::ssize(metadata.parsed<Vocabulary>(key).tokens()); };
    auto wanted = layer_tensors<Layer>("layer", 32, hidden);
    wanted.push_back({"embedding.weight", {count("letters"), 32}});
    wanted.push_back({"head.weight", {count("forms"), 2 * hidden}});
    require_tensors(file, wanted);
    Rng rng(0);  // every weight is overwritten
    Tagger<Layer> model(metadata, rng);
    load_model(file, model, {.finite = true});
    set_training(model, false);
    for (const std::string& word : words) fmt::print("{}\n", escaped(model.restore(word)));
    return 0;
  });
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("sequence_tagger", [&] { return unroll::examples::run(argc, argv); });
}
