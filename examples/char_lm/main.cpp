// A character model of a text: trains on it, is tested on its end, and writes in its style.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "examples/support/cells.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/saved.hpp"
#include "examples/support/tables.hpp"
#include "framework/file_kind.hpp"
#include "framework/quoted.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {
namespace {

constexpr const char* kDescription =
    "Learns a text character by character and writes in its style. Default: the King James New Testament.\n\n"
    "The table in examples/README.md (X: 1, 2, 3):\n"
    "  char_lm --cell lstm --seed X\n"
    "  char_lm --cell gru --seed X\n"
    "Sampling from a saved model:\n"
    "  char_lm --sample char_lm.safetensors --prompt 'In the beginning' --temperature 0.7 --top-k 20";

struct Options {
  TrainingOptions training;
  std::string text, name = "char_lm", sample, prompt;
  bool resume = false;
  std::optional<Index> length, top_k;
  std::optional<double> temperature;
};

bool parse(int argc, const char* const* argv, Options& o) {
  CLI::App app(kDescription, "char_lm");
  add_training_options(app, o.training, {.epochs = "10", .hidden = "128", .batch = "32", .lr = "0.004"});
  app.add_option("--text", o.text, "your own text, split 90 : 5 : 5 into train, valid, test")
      ->type_name("FILE");
  app.add_option("--name", o.name, "saves NAME.safetensors and NAME.checkpoint")->capture_default_str();
  app.add_flag("--resume", o.resume, "continue exactly from NAME.checkpoint");
  app.add_option("--sample", o.sample, "do not train: write text with this model")->type_name("FILE");
  app.add_option("--prompt", o.prompt, "how the sample begins (default: with a new line)")->type_name("TEXT");
  add_whole_number(app, "--length", o.length, "characters to write (default 300)", 0, 1000000);
  add_whole_number(app, "--top-k", o.top_k, "draw from the N most probable (default: all)", 1, 1000000);
  add_number_above(app, "--temperature", o.temperature, "above 1 more random, below less (default 0.8)", 0,
                   100);
  return parse_command_line(app, argc, argv);
}

template <class Layer>
struct Model {
  using Scalar = float;
  Embedding<float> embedding;
  Layer layer;
  Linear<float> head;

  Model(const Vocabulary& vocabulary, Index hidden, Rng& rng)
      : embedding(static_cast<Index>(vocabulary.size()), 32, rng),
        layer({.input = 32, .hidden = hidden}, rng),
        head(hidden, static_cast<Index>(vocabulary.size()), rng) {}
  static void each(auto& self, auto&& visit) {
    visit("embedding", self.embedding);
    visit("layer", self.layer);
    visit("head", self.head);
  }
};

// Truncated backpropagation through time: the states continue from window to window, without their history.
template <class Layer>
struct StreamLoss : CarriedStates<typename Layer::State> {
  Var<float> operator()(const Model<Layer>& model, const TextBatch& batch) {
    const auto [y, after] = model.layer(model.embedding(batch.ids), {.states = this->states});
    this->states = detach(after);
    IndexTensor labels = batch.labels;
    labels.reshape(Shape{labels.size()});
    return cross_entropy(reshape(model.head(y), {static_cast<Index>(batch.size()), -1}), labels);
  }
};

// Keeps lines; escapes other invisible characters.
std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    shown += escaped(text.substr(begin, end - begin)) + (end < text.size() ? "\n" : "");
    begin = end + 1;
  }
  return shown;
}

template <class Layer>
void print_sample(const Model<Layer>& model, const Vocabulary& vocabulary, const Options& o) {
  const std::size_t special = vocabulary.special_count();  // not to be drawn
  Stream<float> stream = freeze(model.embedding, model.layer, model.head);
  std::span<const float> logits;
  const auto read = [&](std::int64_t id) { logits = stream.step({&id, 1}); };
  for (const std::int64_t id : vocabulary.encode(o.prompt.empty() ? "\n" : o.prompt)) read(id);
  const SamplingOptions how{.temperature = o.temperature.value_or(0.8), .top_k = o.top_k.value_or(0)};
  Rng rng(o.training.seed);
  std::vector<std::int64_t> drawn;
  while (static_cast<Index>(drawn.size()) < o.length.value_or(300)) {
    drawn.push_back(static_cast<std::int64_t>(special) + draw(logits.subspan(special), how, rng));
    read(drawn.back());
  }
  fmt::print("{}\n", printable(o.prompt + vocabulary.decode(drawn)));
}

// Splits a user's text into parts, each long enough for its reader: batch streams, or one.
TextSplit read_parts(const std::string& file, Index batch) {
  const std::string text = read_text(file);
  if (is_markup(text)) print_note("char_lm", escaped(file) + " is " + file_kind(text));
  const SplitFractions shares{.valid = 0.05, .test = 0.05};
  Index want = 30;  // of which 2 are for test
  const auto part = [&](Index size) {
    return static_cast<Index>(shares.test * static_cast<double>(size) + 0.5);
  };
  while (want - 2 * part(want) <= batch) ++want;
  const Index got = std::ssize(characters(text));
  if (got < want) {
    throw FileError(
        fmt::format("{}: expected at least {} characters (for --batch {}, split 90 : 5 : 5), got {}",
                    escaped(file), want, batch, got));
  }
  return split_text(text, shares);
}

template <class Layer>
int train(const Options& o) {
  const Index hidden = o.training.hidden.value_or(128), batch = o.training.batch.value_or(32);
  const std::string folder = UNROLL_EXAMPLE_DATA "/kjv_nt/", file = o.name + ".safetensors";
  const auto part = [&](const char* name) { return read_text(folder + name + ".txt"); };
  const TextSplit text =
      o.text.empty() ? TextSplit{part("train"), part("valid"), part("test")} : read_parts(o.text, batch);
  const auto vocabulary = Vocabulary::of(text.train, {.special = {"<unk>"}});
  TextStream learned(vocabulary.encode(text.train), {.batch_size = batch, .window = 64});
  const TextStreamOptions one{.batch_size = 1, .window = 500};
  TextStream valid(vocabulary.encode(text.valid), one), test(vocabulary.encode(text.test), one);
  require_writable(file);
  Rng rng(o.training.seed);
  Model<Layer> model(vocabulary, hidden, rng);
  Metadata metadata{{"program", "char_lm"}, {"cell", o.training.cell}, {"vocabulary", vocabulary.to_json()}};
  metadata.set("hidden", hidden);
  const double lr = o.training.lr.value_or(4e-3);
  Adam<float> adam(parameters(model));
  TrainOptions options{.epochs = o.training.epochs.value_or(10), .clip_norm = 1.0};
  options.lr = SequentialSchedule{{ConstantSchedule{lr, 0}, ExponentialSchedule{0.7 * lr, 0.7}}, {5}};
  options.checkpoint = o.name + ".checkpoint";
  options.resume_hint = "the same command with --resume";
  options.best_file = file;
  options.best_metadata = metadata;
  Trainer trainer(model, adam, StreamLoss<Layer>{}, options, BitsPerCharacter());
  if (o.resume) trainer.resume(options.checkpoint);
  const TrainResult result = trainer.fit(learned, valid);
  if (result.interrupted()) return Interrupt::kExitStatus;
  fmt::print("best epoch {}, saved in {}\ntest bits per character {:.4f}\n", result.best_epoch, escaped(file),
             score(trainer.evaluate(test), "bits_per_character"));
  print_sample(model, vocabulary, o);
  return 0;
}

int run(int argc, const char* const* argv) {
  Options o;
  if (!parse(argc, argv, o)) return 0;
  if (o.sample.empty()) return with_layer(o.training.cell, [&]<class Layer>() { return train<Layer>(o); });
  return with_saved_layer(o.sample, "char_lm", [&]<class Layer>(const Metadata& metadata) {
    const auto vocabulary = metadata.parsed<Vocabulary>("vocabulary");
    const Index hidden = metadata.number("hidden", 1, 4096), tokens = std::ssize(vocabulary.tokens());
    auto wanted = layer_tensors<Layer>("layer", 32, hidden);
    wanted.push_back({"embedding.weight", {tokens, 32}});
    wanted.push_back({"head.weight", {tokens, hidden}});
    require_tensors(o.sample, wanted);
    Rng rng(1);
    Model<Layer> model(vocabulary, hidden, rng);
    load_model(o.sample, model, {.finite = true});
    print_sample(model, vocabulary, o);
    return 0;
  });
}

}  // namespace
}  // namespace unroll::examples

int main(int argc, char** argv) {
  return unroll::examples::run_program("char_lm", [&] { return unroll::examples::run(argc, argv); });
}
