// Ctrl-C as a request.
#pragma once

namespace unroll {

// While one lives, the first Ctrl-C (or SIGTERM) only asks the program to stop; the second one ends it. They
// nest: the outermost one's end brings back what the signals did before.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  // True from the signal until the next outermost Interrupt begins.
  static bool requested() noexcept;
  // The exit status that shells expect of an interrupted program.
  static constexpr int kExitStatus = 130;
};

}  // namespace unroll
