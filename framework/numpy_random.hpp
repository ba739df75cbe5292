// NumPy's legacy random numbers, bit for bit.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

// The generator behind np.random.seed, randn and random_sample (MT19937, Matsumoto and Nishimura 1998): the
// same seed gives the same bits as NumPy, so that published notebooks can be rerun. For everything else use
// Rng.
class NumpyRng {
 public:
  // Throws ArgumentError unless 0 <= seed < 2^32.
  explicit NumpyRng(std::int64_t seed);

  // Starts again, as np.random.seed(seed) does. Throws ArgumentError unless 0 <= seed < 2^32.
  void seed(std::int64_t seed);
  // 32 random bits.
  std::uint32_t word() { return static_cast<std::uint32_t>(engine_()); }
  // Uniform on [0, 1): ((word >> 5) 2^26 + (word >> 6)) / 2^53.
  double random_sample();
  // A tensor of these, filled row-major.
  Tensor<double> random_sample(const Shape& shape);
  // Standard normal (Marsaglia's polar method). The second value of each pair is kept and is the next result,
  // whatever is drawn in between; only seed() drops it.
  double randn();
  // A tensor of these, filled row-major.
  Tensor<double> randn(const Shape& shape);
  // The generator's 624 state words: np.random.get_state()[1] right after seed().
  std::vector<std::uint32_t> key() const;

 private:
  std::mt19937 engine_;
  double spare_ = 0.0;
  bool has_spare_ = false;
};

}  // namespace unroll
