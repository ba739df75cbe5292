#include "training/trainer/interrupt.hpp"

#include <atomic>
#include <csignal>
#include <mutex>

namespace unroll {
namespace {

std::atomic<bool> asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal's handler may write it");

void on_signal(int) { asked = true; }

struct Taken {
  int signal;
  bool once;  // the second one does what it did by default: ends the program
  bool taken = false;
  struct sigaction before = {};
};

// Of all that live together.
struct Living {
  std::mutex mutex;
  int count = 0;
  Taken signals[4] = {{SIGINT, true}, {SIGTERM, true}, {SIGHUP, false}, {SIGPIPE, false}};
};

Living& living() {
  static Living all;
  return all;
}

void take(Taken& taken) {
  ::sigaction(taken.signal, nullptr, &taken.before);
  // A shell's background programs begin with SIGINT ignored, and are to be stopped by it all the same.
  const bool ignored = (taken.before.sa_flags & SA_SIGINFO) == 0 && taken.before.sa_handler == SIG_IGN;
  taken.taken = taken.once || !ignored;
  if (!taken.taken) return;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // calls that wait go on
  if (taken.once) action.sa_flags |= static_cast<int>(SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  ::sigaction(taken.signal, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  Living& all = living();
  const std::lock_guard lock(all.mutex);
  if (all.count++ > 0) return;
  asked = false;
  for (Taken& signal : all.signals) take(signal);
}

Interrupt::~Interrupt() {
  Living& all = living();
  const std::lock_guard lock(all.mutex);
  if (--all.count > 0) return;
  for (const Taken& signal : all.signals) {
    if (signal.taken) ::sigaction(signal.signal, &signal.before, nullptr);
  }
}

bool Interrupt::requested() noexcept { return asked; }

}  // namespace unroll
