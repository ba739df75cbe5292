#include "framework/numpy_random.hpp"

#include <fmt/format.h>

#include <cmath>
#include <sstream>

#include "framework/errors.hpp"

// Compiled with -ffp-contract=off: a fused multiply-add in x * x + y * y would change the last bits.

namespace unroll {

NumpyRng::NumpyRng(std::int64_t seed_value) { seed(seed_value); }

void NumpyRng::seed(std::int64_t seed_value) {
  if (seed_value < 0 || seed_value > std::int64_t{0xffffffff}) {
    throw ArgumentError(fmt::format("[NumpyRng::seed] seed: expected 0..2^32-1, got {}", seed_value));
  }
  engine_.seed(static_cast<std::uint32_t>(seed_value));
  has_spare_ = false;
}

double NumpyRng::random_sample() {
  const std::uint32_t a = word() >> 5;
  const std::uint32_t b = word() >> 6;
  return (a * 67108864.0 + b) / 9007199254740992.0;
}

double NumpyRng::randn() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double x, y, r;
  do {
    x = 2.0 * random_sample() - 1.0;
    y = 2.0 * random_sample() - 1.0;
    r = x * x + y * y;
  } while (r >= 1.0 || r == 0.0);
  const double f = std::sqrt(-2.0 * std::log(r) / r);
  spare_ = f * x;
  has_spare_ = true;
  return f * y;
}

Tensor<double> NumpyRng::random_sample(const Shape& shape) {
  Tensor<double> tensor(shape);
  for (double& v : tensor.storage()) v = random_sample();
  return tensor;
}

Tensor<double> NumpyRng::randn(const Shape& shape) {
  Tensor<double> tensor(shape);
  for (double& v : tensor.storage()) v = randn();
  return tensor;
}

std::vector<std::uint32_t> NumpyRng::key() const {
  // A standard engine shows its state only as text.
  std::stringstream text;
  text << engine_;
  std::vector<std::uint32_t> words(std::mt19937::state_size);
  for (std::uint32_t& w : words) text >> w;
  return words;
}

}  // namespace unroll
