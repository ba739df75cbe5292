// A character model of a text: trains, tests, and writes in its style.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "examples/char_lm/model.hpp"
#include "examples/support/cells.hpp"
#include "examples/support/cli.hpp"

namespace unroll::examples::char_lm {
namespace {

constexpr Index kEmbedding = 32, kMost = 1000000;
constexpr const char* kDescription =
    "Learns a text character by character and writes in its style. Default: the King James New Testament.\n\n"
    "The rows of the table in examples/README.md (X 1, 2, 3):\n"
    "  char_lm --cell lstm --seed X\n"
    "  char_lm --cell gru --seed X\n"
    "  char_lm --cell rnn --seed X --lr 0.002\n"
    "More: char_lm --resume                      goes on from where Ctrl-C or a crash has ended it\n"
    "      char_lm --sample char_lm.safetensors --prompt 'In the beginning' --temperature 0.7 --top-k 20";

struct Options {
  TrainingOptions training;
  std::string text, model = "char_lm.safetensors", sample, prompt = "\n";
  std::optional<Index> length, top_k;
  std::optional<double> temperature;
  bool resume = false;
};

bool parse(int argc, const char* const* argv, Options& o) {
  CLI::App app(kDescription, "char_lm");
  app.set_help_flag("-h,--help", "print this and leave");
  add_training_options(app, o.training, {.epochs = "10", .hidden = "128", .batch = "32", .lr = "0.004"});
  app.add_option("--text", o.text, "your own UTF-8 text, cut 90 : 5 : 5 to train, valid, test")
      ->type_name("FILE");
  app.add_option("--model", o.model, "where the best model goes (default char_lm.safetensors)")
      ->check([](const std::string& path) {
        return path.ends_with(".safetensors") || path.ends_with(".npz")
                   ? ""
                   : "want .safetensors or .npz at its end";
      })
      ->type_name("FILE");
  app.add_flag("--resume", o.resume, "go on from the checkpoint beside the model, exactly");
  app.add_option("--sample", o.sample, "do not train: write with this model")->type_name("FILE");
  app.add_option("--prompt", o.prompt, "what the sample begins with (default: a line's end)")
      ->type_name("TEXT");
  add_whole_number(app, "--length", o.length, "characters of the sample (default 300)", 1, kMost);
  add_whole_number(app, "--top-k", o.top_k, "draw from the N most probable alone (default: all)", 1, kMost);
  add_number_above(app, "--temperature", o.temperature, "below 1 bolder, above 1 wilder (default 0.8)", 0.0,
                   100.0);
  if (!parse_command_line(app, argc, argv)) return false;
  if (o.prompt.empty()) throw ArgumentError("--prompt want a character or more, got none");
  return true;
}

struct Texts {
  std::string train, valid, test;
};

Texts read(const std::string& own) {
  const std::string folder = std::string(UNROLL_EXAMPLE_DATA) + "/kjv_nt/";
  if (own.empty()) {
    return {read_text(folder + "train.txt"), read_text(folder + "valid.txt"), read_text(folder + "test.txt")};
  }
  const std::string text = read_text(own);
  const auto all = characters(text);
  if (all.size() < 100) {
    throw FileError(fmt::format("{}: want 100 characters or more, got {}", own, all.size()));
  }
  const auto at = [&](std::size_t percent) {
    return static_cast<std::size_t>(all[all.size() * percent / 100].data() - text.data());
  };
  return {text.substr(0, at(90)), text.substr(at(90), at(95) - at(90)), text.substr(at(95))};
}

template <class Layer>
void print_sample(const Model<Layer>& model, const Vocabulary& vocabulary, const Options& o) {
  Rng rng(o.training.seed);
  const Sampling how{o.prompt, o.length.value_or(300), o.top_k.value_or(kMost), o.temperature.value_or(0.8)};
  fmt::print("{}\n", sample(model, vocabulary, how, rng));
}

template <class Layer>
int train(const Options& o) {
  const auto& [cell, seed, epochs, hidden, batch, lr] = o.training;
  const Texts texts = read(o.text);
  const auto vocabulary = Vocabulary::of(texts.train, {.special = {"<unk>"}});
  TextStream learned(vocabulary.encode(texts.train), {.batch_size = batch.value_or(32), .window = 64});
  TextStream valid(vocabulary.encode(texts.valid), {.batch_size = 1, .window = 500});
  TextStream test(vocabulary.encode(texts.test), {.batch_size = 1, .window = 500});

  Metadata metadata{{"program", "char_lm"}, {"cell", cell}, {"vocabulary", vocabulary.to_json()}};
  metadata.set("hidden", hidden.value_or(128));
  require_writable(o.model);
  Rng rng(seed);
  Model<Layer> model(static_cast<Index>(vocabulary.size()), kEmbedding, hidden.value_or(128), rng);
  Adam<float> adam(parameters(model));
  const auto rate = [first = lr.value_or(4e-3)](std::int64_t epoch) {  // from 0
    return first * std::pow(0.7, static_cast<double>(std::max<std::int64_t>(0, epoch - 4)));
  };
  const auto save_best = [&](const EpochReport& report) {
    if (report.best) save_model(o.model, model, metadata);
  };
  Trainer trainer(model, adam, StreamLoss<Layer>{},
                  {.epochs = epochs.value_or(10),
                   .clip_norm = 1.0,
                   .lr = rate,
                   .checkpoint = o.model + ".checkpoint",
                   .resume_hint = "the same command with --resume",
                   .on_epoch = save_best},
                  BitsPerCharacter());
  if (o.resume) trainer.resume(trainer.options().checkpoint);
  const TrainResult result = trainer.fit(learned, valid);
  if (result.interrupted()) return Interrupt::kExitStatus;
  fmt::print("best epoch {}, saved in {}\n", result.best_epoch, o.model);
  fmt::print("bits per character: valid {:.4f}, test {:.4f}\n\n", result.best_score / std::log(2.0),
             score(trainer.evaluate(test), "bits_per_character"));
  print_sample(model, vocabulary, o);
  return 0;
}

int run(int argc, const char* const* argv) {
  Options o;
  if (!parse(argc, argv, o)) return 0;
  if (o.sample.empty()) return with_layer(o.training.cell, [&]<class Layer>() { return train<Layer>(o); });
  const Metadata metadata = load_metadata(o.sample);
  metadata.require("program", "char_lm");
  const auto vocabulary = Vocabulary::from_json(metadata.text("vocabulary"));
  return with_layer(metadata.text("cell"), [&]<class Layer>() {
    Rng rng(1);
    Model<Layer> model(static_cast<Index>(vocabulary.size()), kEmbedding, metadata.number("hidden", 1, 4096),
                       rng);
    load_model(o.sample, model, {.finite = true});
    print_sample(model, vocabulary, o);
    return 0;
  });
}

}  // namespace
}  // namespace unroll::examples::char_lm

int main(int argc, char** argv) {
  return unroll::examples::run_program("char_lm", [&] { return unroll::examples::char_lm::run(argc, argv); });
}
