// A live progress bar on a terminal, nothing elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace unroll::examples {

// Draws "epoch 3/12  45% [=========>          ]  loss 0.4123  0:12 left" on stderr, over and over on one
// line, when stderr is a terminal; the time left is for the whole run. Redraws at most ten times a second, so
// that update() may be called after every batch.
class Progress {
 public:
  explicit Progress(std::size_t total);
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

  // The line as it would be drawn on a terminal of this width.
  static std::string line(std::size_t done, std::size_t total, double seconds, std::size_t width,
                          const std::string& label, const std::string& note);

 private:
  using Clock = std::chrono::steady_clock;
  bool due(std::size_t done);

  std::size_t total_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_, last_;
};

}  // namespace unroll::examples
