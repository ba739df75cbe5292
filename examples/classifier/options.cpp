#include "examples/classifier/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "framework/errors.hpp"

namespace unroll::examples::classifier {
namespace {

constexpr const char* kDescription =
    "Learns to tell sequences apart with a recurrent network, and classifies new ones.\n"
    "\n"
    "Tasks:\n"
    "  words    words -> language, letter by letter (the shipped lists: en, es, nl, pl)\n"
    "  digits   handwritten digits -> 0..9, row by row (8 steps of 8 pixels)\n"
    "  own      your own file, see below\n"
    "\n"
    "Examples:\n"
    "  classifier --task words                    train, test, save words.safetensors\n"
    "  classifier --predict huis maison           classify two words with it\n"
    "  classifier --task digits --cell gru        the same for digits, with a GRU\n"
    "  classifier --data mine.csv --steps 10      your own file\n";

constexpr const char* kFormat =
    "Your own file: comma or tab separated, one header line, then one row a sample, in UTF-8.\n"
    "  label            the class, any text\n"
    "  text             the sequence, letter by letter; or, instead of this column,\n"
    "  any others       numbers: the sequence, in the order of the columns. --steps T reads them as T\n"
    "                   steps of (columns / T) numbers; without it every column is a step\n"
    "  split            train, valid or test; without this column the rows of every label are cut\n"
    "                   70 : 15 : 15 by a hash of their content, the same way in every run\n"
    "Numbers are standardised by the training rows. The epoch that is best on the valid rows is saved and "
    "tested.\n"
    "--predict reads texts, or rows of numbers separated by commas, tabs or spaces.";

struct TaskDefaults {
  Recipe recipe;
  ModelSizes sizes;
};

TaskDefaults defaults_of(Task task) {
  switch (task) {
    case Task::words:
      return {{.epochs = 18, .batch = 64, .lr = 2e-3, .clip = 5.0},
              {.embedding = 32, .hidden = 128, .dropout = 0.2}};
    case Task::digits:
      return {{.epochs = 60, .batch = 32, .lr = 3e-3, .clip = 1.0}, {.hidden = 64, .dropout = 0.2}};
    case Task::own:
      break;
  }
  return {{.epochs = 30, .batch = 32, .lr = 2e-3, .clip = 1.0},
          {.embedding = 32, .hidden = 64, .dropout = 0.2}};
}

// "words 18, digits 60, own 30"
template <class Get>
std::string list_defaults(Get get) {
  std::string text;
  for (const Task task : {Task::words, Task::digits, Task::own}) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", to_string(task), get(defaults_of(task)));
  }
  return text;
}

}  // namespace

const char* to_string(Task task) noexcept {
  switch (task) {
    case Task::words:
      return "words";
    case Task::digits:
      return "digits";
    case Task::own:
      break;
  }
  return "own";
}

Task Options::task() const {
  if (!task_name) return data.empty() ? Task::words : Task::own;
  return *task_name == "words" ? Task::words : *task_name == "digits" ? Task::digits : Task::own;
}

std::string Options::data_path() const {
  if (!data.empty()) return data;
  return std::string(UNROLL_EXAMPLE_DATA) + (task() == Task::words ? "/words" : "/digits.csv");
}

std::string Options::model_path() const {
  return model.empty() ? std::string(to_string(task())) + ".safetensors" : model;
}

Recipe Options::recipe() const { return defaults_of(task()).recipe.with(training); }

ModelSizes Options::sizes() const {
  ModelSizes sizes = defaults_of(task()).sizes;
  sizes.hidden = training.hidden.value_or(sizes.hidden);
  sizes.embedding = embedding.value_or(sizes.embedding);
  sizes.dropout = dropout.value_or(sizes.dropout);
  return sizes;
}

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app(kDescription, "classifier");
  app.footer(kFormat);

  constexpr const char* kData = "Data and model";
  app.add_option("--task", options.task_name, "words, digits or own (default: own with --data, else words)")
      ->check([](const std::string& text) {
        return text == "words" || text == "digits" || text == "own"
                   ? std::string()
                   : fmt::format("want words, digits or own, got '{}'", text);
      })
      ->type_name("TASK")
      ->group(kData);
  app.add_option("--data", options.data,
                 "the file (own, digits) or folder (words) to read; default: the shipped data")
      ->type_name("PATH")
      ->group(kData);
  add_whole_number(app, "--steps", options.steps, "own file: time steps of a row of numbers", 1, 1000000)
      ->group(kData);
  app.add_option("--model,--save", options.model,
                 "the model file, written or read (default: TASK.safetensors)")
      ->type_name("FILE")
      ->group(kData);
  app.add_option("--onnx", options.onnx, "export the trained model for other programs, too")
      ->type_name("FILE")
      ->group(kData);

  add_training_options(app, options.training,
                       {.epochs = list_defaults([](const TaskDefaults& d) { return d.recipe.epochs; }),
                        .hidden = list_defaults([](const TaskDefaults& d) { return d.sizes.hidden; }),
                        .batch = list_defaults([](const TaskDefaults& d) { return d.recipe.batch; }),
                        .lr = list_defaults([](const TaskDefaults& d) { return d.recipe.lr; })});
  add_whole_number(app, "--embedding", options.embedding, "texts: numbers a letter becomes (default 32)", 1,
                   4096)
      ->group("Training");
  add_fraction(app, "--dropout", options.dropout,
               "share of the layer's inputs and outputs that training drops (default 0.2)")
      ->group("Training");

  add_run_options(app, options.training);

  constexpr const char* kPredict = "Prediction";
  app.add_flag("--predict", options.predict,
               "classify with a saved model: ITEMs, or --input, or the lines of standard input")
      ->group(kPredict);
  app.add_option("--input", options.input,
                 "--predict: a table like the training data; label and split may be absent")
      ->type_name("FILE")
      ->group(kPredict);
  app.add_option("items", options.items, "--predict: texts, or rows of numbers")
      ->type_name("ITEM")
      ->group(kPredict);

  if (!parse_command_line(app, argc, argv)) return std::nullopt;
  if (app.count("--cell") > 0) options.cell_name = options.training.cell;
  if (options.task() == Task::own && options.data.empty() && !options.predict) {
    throw ArgumentError("--task own want --data FILE, got none");
  }
  if (options.steps && options.task() != Task::own) {
    throw ArgumentError(
        fmt::format("--steps want a file of your own, got task {}", to_string(options.task())));
  }
  if (!options.predict && !(options.items.empty() && options.input.empty())) {
    throw ArgumentError(fmt::format("'{}' want --predict beside it, got none (--task chooses a task)",
                                    options.items.empty() ? "--input" : options.items[0]));
  }
  if (!options.items.empty() && !options.input.empty()) {
    throw ArgumentError(fmt::format("--predict want --input or items, got both: {} and '{}'", options.input,
                                    options.items[0]));
  }
  return options;
}

}  // namespace unroll::examples::classifier
