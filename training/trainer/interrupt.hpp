// Ctrl-C as a request.
#pragma once

namespace unroll {

// While an Interrupt lives, Ctrl-C, SIGTERM, SIGHUP (the terminal was closed) and SIGPIPE (the output's
// reader is gone) only set a flag. A second Ctrl-C or SIGTERM ends the program; SIGHUP and SIGPIPE may come
// repeatedly. If the program ignores SIGHUP or SIGPIPE, as under nohup, they stay ignored. Interrupts nest,
// on any thread: when the last one ends, the original handlers are restored.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  // True from the signal until the next Interrupt that is not nested begins.
  static bool requested() noexcept;
  // The exit status that shells expect from an interrupted program.
  static constexpr int kExitStatus = 130;
};

}  // namespace unroll
