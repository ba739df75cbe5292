// The command line of the example programs: options, one-line errors, Ctrl-C.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "framework/tensor.hpp"
#include "training/trainer/interrupt.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace unroll::examples {

// Options of every program that trains. Options without a value take the task's.
struct TrainingOptions {
  std::string cell = "lstm";  // rnn, lstm or gru
  std::uint64_t seed = 1;
  std::optional<Index> epochs, hidden, batch;
  std::optional<double> lr;
  std::string log, plot;  // a folder and a picture file; "": none
  bool resume = false;
};

// The training recipe of a task, for options that the command line leaves out.
struct Recipe {
  Index epochs = 0, batch = 0, hidden = 0;
  double lr = 0.0, clip = 1.0;
  // Returns the same with the command line's values.
  Recipe with(const TrainingOptions& given) const;
};

// The defaults in --help.
struct TrainingDefaults {
  std::string epochs, hidden, batch, lr;
  // For one recipe, and for several tasks: "digits 60, words 18".
  static TrainingDefaults of(const Recipe& recipe);
  static TrainingDefaults of(const std::map<std::string, Recipe>& tasks);
};

// Adds --cell, --seed, --epochs, --hidden, --batch and --lr to app, and the layout of --help.
void add_training_options(CLI::App& app, TrainingOptions& options, const TrainingDefaults& defaults);
// Adds --log, --plot and --resume for Run. drawing: what --plot draws.
void add_run_options(CLI::App& app, TrainingOptions& options,
                     const std::string& drawing = "loss and accuracy");

// Add an option that takes an integer from low to high, or a number above `above` and at most high.
CLI::Option* add_whole_number(CLI::App& app, const std::string& names, std::optional<Index>& value,
                              const std::string& help, Index low, Index high);
CLI::Option* add_number_above(CLI::App& app, const std::string& names, std::optional<double>& value,
                              const std::string& help, double above, double high);
// Adds an option that takes a number in [0, 1).
CLI::Option* add_fraction(CLI::App& app, const std::string& names, std::optional<double>& value,
                          const std::string& help);

// Adds an option that takes one of these words.
CLI::Option* add_choice(CLI::App& app, const std::string& names, std::string& value, const std::string& help,
                        const char* type, const std::vector<std::string>& choices);

// Reads the command line. Returns true to continue, false if --help or --version has been answered. Throws
// ArgumentError for invalid options.
bool parse_command_line(CLI::App& app, int argc, const char* const* argv);

// Runs a program's body and turns an exception into one line "name: what went wrong" on stderr and exit
// status 1; a standard output that cannot be written is such an error too.
int run_program(const char* name, const std::function<int()>& body);

using unroll::Interrupt;

}  // namespace unroll::examples
