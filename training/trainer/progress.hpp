// A live progress bar on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace unroll {

// Draws "epoch 3/12  45% [=========>          ]  loss 0.4123  812/s  0:12 left" on stderr, over and over on
// one line, when stderr is a terminal; the rate is that of the steps, the time left that of the whole run.
// Redraws at most ten times a second, so that update() may be called after every batch. Elsewhere plain
// lines, if asked for: one as often as seconds_between_lines, and those of print().
class Progress {
 public:
  struct Options {
    std::size_t done = 0;                // steps that an earlier run has made: no part of the rate
    double seconds_between_lines = 0.0;  // where there is no terminal; 0: none but those of print()
    bool enabled = true;                 // false: nothing at all
  };

  explicit Progress(std::size_t total) : Progress(total, Options{}) {}
  Progress(std::size_t total, const Options& options);
  // Takes the bar away.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of the total steps are over; label stands before the bar, note after it.
  void update(std::size_t done, const std::string& label, const std::string& note);
  // The same with "loss ..." as the note.
  void update(std::size_t done, const std::string& label, double loss);
  // Takes the bar away so that a line can be printed; the next update draws it again.
  void clear();
  // A line of its own on stderr, in place of the bar.
  void print(const std::string& line);

  struct Line {
    std::size_t done, total;
    double rate;  // steps a second; 0: not known yet
    std::string label, note;
  };
  // The line as it would be drawn on a terminal of this width, and where there is none.
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
