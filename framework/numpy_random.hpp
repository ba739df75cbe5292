// NumpyRng: NumPy's legacy random numbers, bit for bit.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

// The generator behind np.random.seed, randn and random_sample (MT19937, Matsumoto and Nishimura 1998). The
// same seed gives the same bits as NumPy, so published notebooks can be rerun. Otherwise use Rng.
class NumpyRng {
 public:
  // Throws ArgumentError unless 0 <= seed < 2^32.
  explicit NumpyRng(std::int64_t seed);

  // Restarts the generator like np.random.seed(seed). Throws ArgumentError unless 0 <= seed < 2^32.
  void seed(std::int64_t seed);
  // Returns 32 random bits.
  std::uint32_t word() { return static_cast<std::uint32_t>(engine_()); }
  // Returns a uniform number in [0, 1): ((word >> 5) 2^26 + (word >> 6)) / 2^53.
  double random_sample();
  // Returns a tensor of these, filled row-major.
  Tensor<double> random_sample(const Shape& shape);
  // Returns a standard normal number (Marsaglia's polar method). The second value of each pair is the next
  // result, also after other draws in between; only seed() drops it.
  double randn();
  // Returns a tensor of these, filled row-major.
  Tensor<double> randn(const Shape& shape);
  // Returns the generator's 624 state words: np.random.get_state()[1] right after seed().
  std::vector<std::uint32_t> key() const;

 private:
  std::mt19937 engine_;
  double spare_ = 0.0;
  bool has_spare_ = false;
};

}  // namespace unroll
