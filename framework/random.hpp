// Seeded random numbers and weight initialisations.
#pragma once

#include <cstdint>
#include <string>

#include "framework/tensor.hpp"

namespace unroll {

// A generator with an explicit seed (xoshiro256++, Blackman and Vigna 2019, seeded by SplitMix64). The same
// seed gives the same numbers on every machine and for any number of threads. Not for cryptography.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) noexcept;

  // Returns 64 random bits.
  std::uint64_t next() noexcept;
  // Returns a uniform number in [0, 1), 53 bits.
  double uniform() noexcept;
  // Returns a uniform number in [low, high).
  double uniform(double low, double high) noexcept { return low + (high - low) * uniform(); }
  // Returns a normal number with this mean and standard deviation (Marsaglia's polar method).
  double normal(double mean = 0.0, double stddev = 1.0) noexcept;
  // Returns a uniform integer in 0..n-1, without bias. Throws ArgumentError for n < 1.
  Index below(Index n);
  // Returns 0..n-1 in random order (Fisher and Yates). Throws ArgumentError for n < 0, MemoryError if n is
  // too large.
  std::vector<Index> permutation(Index n);
  // Returns an independent generator and advances this one by one number.
  Rng split() noexcept;

  // Returns the exact state as text: the next numbers depend on nothing else.
  std::string state() const;
  // Restores a state. Throws ArgumentError for a text that is not from state(), and then changes nothing.
  void load_state(const std::string& state);

 private:
  std::uint64_t state_[4];
  double spare_ = 0.0;
  bool has_spare_ = false;
};

// The functions below return a new tensor. They throw ArgumentError for low > high, for a negative deviation
// or gain, and if any of these is NaN or infinite, also after conversion to S.

// U(low, high).
template <class S>
Tensor<S> random_uniform(const Shape& shape, double low, double high, Rng& rng);
// N(mean, stddev^2).
template <class S>
Tensor<S> random_normal(const Shape& shape, double mean, double stddev, Rng& rng);
// U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010). shape (fan_out, fan_in).
template <class S>
Tensor<S> xavier_uniform(const Shape& shape, Rng& rng, double gain = 1.0);
// N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out)).
template <class S>
Tensor<S> xavier_normal(const Shape& shape, Rng& rng, double gain = 1.0);
// U(-a, a), a = gain sqrt(3 / fan_in) (He et al. 2015); use gain sqrt(2) for relu.
template <class S>
Tensor<S> kaiming_uniform(const Shape& shape, Rng& rng, double gain = 1.4142135623730951);
// N(0, s^2), s = gain / sqrt(fan_in).
template <class S>
Tensor<S> kaiming_normal(const Shape& shape, Rng& rng, double gain = 1.4142135623730951);
// gain times a matrix with orthonormal rows or columns, whichever are fewer (Saxe et al. 2014): Q of the QR
// decomposition of a normal matrix, with the signs that make it uniform.
template <class S>
Tensor<S> orthogonal(const Shape& shape, Rng& rng, double gain = 1.0);

}  // namespace unroll
