#include "examples/support/cli.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <new>
#include <string_view>

#include "framework/errors.hpp"
#include "framework/number_text.hpp"
#include "framework/quoted.hpp"

namespace unroll::examples {
namespace {

// Parses the whole text as a number; nothing else may follow it.
template <class T>
std::optional<T> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return unroll::detail::parse_number<T>(text);
}

// Calls store(text), which returns false if the text is not valid for the option.
template <class Store>
CLI::Option* add_checked(CLI::App& app, const std::string& names, const std::string& help, const char* type,
                         std::string want, Store store) {
  const auto check = [want = std::move(want), store](const std::string& text) -> std::string {
    return store(text) ? "" : fmt::format("expected {}, got '{}'", want, text);
  };
  const auto keep = [store](const std::string& text) { store(text); };
  return app.add_option_function<std::string>(names, keep, help)->check(check)->type_name(type);
}

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return escaped(text);
}

}  // namespace

CLI::Option* add_whole_number(CLI::App& app, const std::string& names, std::optional<Index>& value,
                              const std::string& help, Index low, Index high) {
  return add_checked(app, names, help, "N", fmt::format("a whole number from {} to {}", low, high),
                     [&value, low, high](const std::string& text) {
                       value = number<Index>(text);
                       return value && *value >= low && *value <= high;
                     });
}

CLI::Option* add_number_above(CLI::App& app, const std::string& names, std::optional<double>& value,
                              const std::string& help, double above, double high) {
  return add_checked(app, names, help, "X", fmt::format("a number above {} and at most {}", above, high),
                     [&value, above, high](const std::string& text) {
                       value = number<double>(text);
                       return value && *value > above && *value <= high;
                     });
}

CLI::Option* add_fraction(CLI::App& app, const std::string& names, std::optional<double>& value,
                          const std::string& help) {
  return add_checked(app, names, help, "P", "a number from 0 to below 1", [&value](const std::string& text) {
    value = number<double>(text);
    return value && *value >= 0.0 && *value < 1.0;
  });
}

CLI::Option* add_choice(CLI::App& app, const std::string& names, std::string& value, const std::string& help,
                        const char* type, const std::vector<std::string>& choices) {
  std::string want;
  for (const std::string& choice : choices)
    want += (want.empty() ? "" : choice == choices.back() ? " or " : ", ") + choice;
  return add_checked(app, names, fmt::format("{}: {}", help, want), type, want,
                     [&value, choices](const std::string& text) {
                       value = text;
                       return std::find(choices.begin(), choices.end(), text) != choices.end();
                     });
}

Recipe Recipe::with(const TrainingOptions& given) const {
  return {.epochs = given.epochs.value_or(epochs),
          .batch = given.batch.value_or(batch),
          .hidden = given.hidden.value_or(hidden),
          .lr = given.lr.value_or(lr),
          .clip = clip};
}

TrainingDefaults TrainingDefaults::of(const Recipe& recipe) { return of({{"", recipe}}); }

TrainingDefaults TrainingDefaults::of(const std::map<std::string, Recipe>& tasks) {
  const auto list = [&](auto member) {
    std::string text;
    for (const auto& [name, recipe] : tasks)
      text +=
          fmt::format("{}{}{}{}", text.empty() ? "" : ", ", name, name.empty() ? "" : " ", recipe.*member);
    return text;
  };
  return {list(&Recipe::epochs), list(&Recipe::hidden), list(&Recipe::batch), list(&Recipe::lr)};
}

void add_training_options(CLI::App& app, TrainingOptions& options, const TrainingDefaults& defaults) {
  constexpr const char* kGroup = "Training";
  app.get_formatter()->column_width(24);
  add_choice(app, "--cell", options.cell, "recurrent layer (default lstm)", "CELL", {"rnn", "lstm", "gru"})
      ->group(kGroup);
  const auto with_default = [](const char* help, const std::string& value) {
    return fmt::format("{} (default {})", help, value);
  };
  add_whole_number(app, "--hidden", options.hidden, with_default("hidden units", defaults.hidden), 1, 4096)
      ->group(kGroup);
  add_whole_number(app, "--epochs", options.epochs,
                   with_default("passes over the training data", defaults.epochs), 1, 1000000)
      ->group(kGroup);
  add_whole_number(app, "--batch", options.batch, with_default("samples per update", defaults.batch), 1, 4096)
      ->group(kGroup);
  add_number_above(app, "--lr", options.lr, with_default("learning rate of Adam", defaults.lr), 0.0, 1000.0)
      ->group(kGroup);
  add_checked(app, "--seed", "the same seed gives the same numbers (default 1)", "N", "a whole number >= 0",
              [&options](const std::string& text) {
                const auto seed = number<std::uint64_t>(text);
                options.seed = seed.value_or(0);
                return seed.has_value();
              })
      ->group(kGroup);
}

void add_run_options(CLI::App& app, TrainingOptions& options, const std::string& drawing) {
  constexpr const char* kGroup = "Logs";
  app.add_option("--log", options.log, "write log.csv, log.jsonl and, if built in, TensorBoard events")
      ->type_name("FOLDER")
      ->group(kGroup);
  app.add_option("--plot", options.plot, "draw " + drawing + " with gnuplot: FILE.png or FILE.svg")
      ->type_name("FILE")
      ->group(kGroup);
  app.add_flag("--resume", options.resume, "continue from MODEL.checkpoint, left by Ctrl-C")->group(kGroup);
}

bool parse_command_line(CLI::App& app, int argc, const char* const* argv) {
  app.get_help_ptr()->description("print this help and exit");
  try {
    app.parse(argc, argv);
    return true;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      return false;
    }
    throw ArgumentError(fmt::format("{} (--help lists the options)", one_line(error.what())));
  }
}

int run_program(const char* name, const std::function<int()>& body) {
  std::string message;
  try {
    const int status = body();
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    message = "cannot write to standard output (disk full?)";
  } catch (const MemoryError& error) {
    message = fmt::format("{} (smaller --hidden or --batch?)", error.what());
  } catch (const std::bad_alloc&) {
    message = "not enough memory for these sizes (smaller --hidden or --batch?)";
  } catch (const std::exception& error) {
    message = error.what();
  }
  std::fflush(stdout);
  fmt::print(stderr, "{}: {}\n", name, one_line(message));
  return 1;
}

}  // namespace unroll::examples
