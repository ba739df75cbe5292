// A live progress bar on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace unroll {

// On a terminal, keeps redrawing one line on stderr:
//   epoch 3/12  45% [=========>          ]  loss 0.4123  812/s  0:12 left
// The rate is in steps, the time left is that of the whole run. It redraws at most ten times a second, so
// update() may be called after every batch. Elsewhere it prints plain lines: those of print() and, if asked
// for, one every seconds_between_lines.
class Progress {
 public:
  struct Options {
    std::size_t done = 0;                // steps of an earlier run, which do not count for the rate
    double seconds_between_lines = 0.0;  // without a terminal; 0: only print() prints
    bool enabled = true;                 // false: prints nothing
  };

  explicit Progress(std::size_t total) : Progress(total, Options{}) {}
  Progress(std::size_t total, const Options& options);
  // Removes the bar.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of the total steps are complete; shows label before the bar, note after it.
  void update(std::size_t done, const std::string& label, const std::string& note);
  // The same with the note "loss ...".
  void update(std::size_t done, const std::string& label, double loss);
  // Removes the bar so that a line can be printed; the next update draws it again.
  void clear();
  // Prints a line on stderr in place of the bar.
  void print(const std::string& line);

  struct Line {
    std::size_t done, total;
    double rate;  // steps a second; 0: not known yet
    std::string label, note;
  };
  // The line as it is drawn on a terminal of this width, and without a terminal.
  static std::string line(const Line& line, std::size_t width);
  static std::string plain_line(const Line& line);

 private:
  using Clock = std::chrono::steady_clock;
  bool due(std::size_t done);
  double rate(std::size_t done) const;

  std::size_t total_;
  Options options_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_, last_;
};

}  // namespace unroll
