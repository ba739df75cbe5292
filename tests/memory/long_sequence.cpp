// One training step of an LSTM over 100,000 steps, and the most memory that the process has had meanwhile:
//
//   long_sequence CHECKPOINT_EVERY LIMIT_MB [STEPS]
//
// Fails when that is more than the limit.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "unroll.hpp"

using namespace unroll;

namespace {

// The high-water mark of the resident memory, in MB; -1 where the system does not tell.
double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024.0;
  }
  return -1.0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const Index every = std::strtol(argv[1], nullptr, 10);
  const double limit = std::strtod(argv[2], nullptr);
  const std::size_t steps = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 100000;
  Rng rng(1);
  const Lstm<float> lstm({.input = 8, .hidden = 64}, {.checkpoint_every = every}, rng);
  Sgd<float> sgd(parameters(lstm), {.lr = 0.1});
  const Var<float> x(random_normal<float>({steps, 1, 8}, 0.0, 1.0, rng));
  const Tensor<float> before = lstm.cells()[0].weight_hh.value();
  const auto start = std::chrono::steady_clock::now();
  {
    Tape tape;
    const auto loss = mean(square(lstm(x).output));
    tape.backward(loss);
    sgd.step();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const bool learnt = before != lstm.cells()[0].weight_hh.value();
  const double peak = peak_megabytes();
  std::printf("%zu steps, checkpoint_every %td: %.2f s, peak %.0f MB, %s the limit of %.0f MB\n", steps,
              every, seconds.count(), peak, peak <= limit ? "within" : "above", limit);
  return learnt && peak >= 0.0 && peak <= limit ? 0 : 1;
}
