#include "training/interrupt.hpp"

#include <csignal>

namespace unroll {
namespace {

volatile std::sig_atomic_t asked = 0;
int living = 0;
struct sigaction before_int, before_term;

void on_signal(int) { asked = 1; }

}  // namespace

Interrupt::Interrupt() {
  if (living++ > 0) return;
  asked = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  // Calls that wait go on; the next signal does what it does by default, which is to end the program.
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &before_int);
  ::sigaction(SIGTERM, &action, &before_term);
}

Interrupt::~Interrupt() {
  if (--living > 0) return;
  ::sigaction(SIGINT, &before_int, nullptr);
  ::sigaction(SIGTERM, &before_term, nullptr);
}

bool Interrupt::requested() noexcept { return asked != 0; }

}  // namespace unroll
