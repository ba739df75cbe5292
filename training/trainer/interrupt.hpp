// Ctrl-C as a request.
#pragma once

namespace unroll {

// While one lives, Ctrl-C, SIGTERM, SIGHUP (the terminal is closed) and SIGPIPE (nobody reads the output any
// more) only ask the program to stop. A second Ctrl-C or SIGTERM ends it; the other two come more than once
// by themselves. SIGHUP and SIGPIPE that the program ignores, as under nohup, stay ignored. They nest, on any
// threads: the last one's end brings back what the signals did before the first.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  // True from the signal until one begins that no other is living beside.
  static bool requested() noexcept;
  // The exit status that shells expect of an interrupted program.
  static constexpr int kExitStatus = 130;
};

}  // namespace unroll
