// What the example programs share on the command line: options, one-line errors, Ctrl-C.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "framework/tensor.hpp"
#include "training/interrupt.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace unroll::examples {

// Options of every program that trains. Those without a value take the task's.
struct TrainingOptions {
  std::string cell = "lstm";  // rnn, lstm or gru
  std::uint64_t seed = 1;
  std::optional<Index> epochs, hidden, batch;
  std::optional<double> lr;
  std::string log, plot;  // a folder and a picture; "": none
  bool resume = false;
};

// How a task is trained, where the command line says nothing.
struct Recipe {
  Index epochs = 0, batch = 0, hidden = 0;
  double lr = 0.0, clip = 1.0;
  // The same with the command line's numbers.
  Recipe with(const TrainingOptions& given) const;
};

// What --help says of the defaults.
struct TrainingDefaults {
  std::string epochs, hidden, batch, lr;
  // Of one recipe, and of several tasks: "digits 60, words 18".
  static TrainingDefaults of(const Recipe& recipe);
  static TrainingDefaults of(const std::map<std::string, Recipe>& tasks);
};

// Adds --cell, --seed, --epochs, --hidden, --batch and --lr to app, and the layout of --help.
void add_training_options(CLI::App& app, TrainingOptions& options, const TrainingDefaults& defaults);
// Adds --log, --plot and --resume: what Run reads. drawing: what --plot draws.
void add_run_options(CLI::App& app, TrainingOptions& options,
                     const std::string& drawing = "loss and accuracy");

// One option that wants a whole number from low to high, or a number above `above` and at most high.
CLI::Option* add_whole_number(CLI::App& app, const std::string& names, std::optional<Index>& value,
                              const std::string& help, Index low, Index high);
CLI::Option* add_number_above(CLI::App& app, const std::string& names, std::optional<double>& value,
                              const std::string& help, double above, double high);
// One option that wants a number in [0, 1).
CLI::Option* add_fraction(CLI::App& app, const std::string& names, std::optional<double>& value,
                          const std::string& help);

// One option that wants one of these words.
CLI::Option* add_choice(CLI::App& app, const std::string& names, std::string& value, const std::string& help,
                        const char* type, const std::vector<std::string>& choices);

// Reads the command line. Returns true to go on; false when --help or --version has been answered. Throws
// ArgumentError for what is not allowed.
bool parse_command_line(CLI::App& app, int argc, const char* const* argv);

// A program's main: runs body and turns an exception into one line "name: what went wrong" on stderr and exit
// status 1; a standard output that cannot be written is such an error too.
int run_program(const char* name, const std::function<int()>& body);

using unroll::Interrupt;

}  // namespace unroll::examples
