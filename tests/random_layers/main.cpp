// random_layers ROUNDS SEED [SECONDS]: recurrent layers drawn at random, round SEED, SEED + 1 ..., each held
// against itself on other paths, in other batches, in pieces, in float, and with gradients against central
// differences. Ends at the first that does not hold, or after so many seconds. A round repeats with
// `random_layers 1 ITS-SEED`.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "draw.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace {

using namespace unroll::random_layers;

// Which round it was, said when the program is about to be ended from outside.
char last_words[64];

void say_last_words() {
  if (write(STDERR_FILENO, last_words, std::strlen(last_words)) < 0) return;
}

void run(std::uint64_t seed) {
  Draw draw(seed);
  const bool large = draw.chance(0.005);
  switch (draw.between(0, large ? 6 : 7)) {
    case 0:
    case 1:
      return run_rnn(draw, large);
    case 2:
    case 3:
      return run_lstm(draw, large);
    case 4:
    case 5:
      return run_gru(draw, large);
    case 6:
      return run_mgu(draw, large);
    default:
      return run_custom_cell(draw);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    fmt::print(stderr, "random_layers ROUNDS SEED [SECONDS]\n");
    return 2;
  }
  const std::uint64_t rounds = std::strtoull(argv[1], nullptr, 10),
                      seed = std::strtoull(argv[2], nullptr, 10);
  const double seconds = argc > 3 ? std::strtod(argv[3], nullptr) : 1e9;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(say_last_words);
#else
  const auto on_signal = [](int signal) {
    say_last_words();
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  };
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) std::signal(signal, on_signal);
#endif
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t round = 0;
  for (; round < rounds; ++round) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    if (passed.count() > seconds) break;
    *fmt::format_to_n(last_words, sizeof last_words - 1, "random_layers 1 {}\n", seed + round).out = '\0';
    try {
      run(seed + round);
    } catch (const std::exception& e) {
      fmt::print(stderr, "{}\nrandom_layers 1 {}\n", e.what(), seed + round);
      return 1;
    }
  }
  fmt::print("{} rounds hold, from seed {}\n", round, seed);
}
