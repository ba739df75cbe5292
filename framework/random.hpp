// Seeded random numbers and the initialisations of weights.
#pragma once

#include <cstdint>
#include <string>

#include "framework/tensor.hpp"

namespace unroll {

// A generator with an explicit seed (xoshiro256++, Blackman and Vigna 2019, seeded by SplitMix64): the same
// seed gives the same numbers on every machine and for any number of threads. Not for secrets.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) noexcept;

  // 64 random bits.
  std::uint64_t next() noexcept;
  // Uniform on [0, 1), 53 bits.
  double uniform() noexcept;
  // Uniform on [low, high).
  double uniform(double low, double high) noexcept { return low + (high - low) * uniform(); }
  // Normal with this mean and standard deviation (Marsaglia's polar method).
  double normal(double mean = 0.0, double stddev = 1.0) noexcept;
  // Uniform on 0..n-1, without bias. Throws ArgumentError for n < 1.
  Index below(Index n);
  // 0..n-1 in random order (Fisher and Yates). Throws ArgumentError for n < 0, MemoryError for too many.
  std::vector<Index> permutation(Index n);
  // An independent generator; this one moves on by one number.
  Rng split() noexcept;

  // Where it stands, every bit of it, as text: what the next numbers depend on.
  std::string state() const;
  // Goes on from there. Throws ArgumentError for a text that state() has not given; then nothing has changed.
  void load_state(const std::string& state);

 private:
  std::uint64_t state_[4];
  double spare_ = 0.0;
  bool has_spare_ = false;
};

// The tensors below throw ArgumentError for low > high, for a negative deviation or gain, and where any of
// these is NaN or infinite, as S too.

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
// U(-a, a), a = gain sqrt(3 / fan_in) (He et al. 2015); gain sqrt(2) is the one for relu.
template <class S>
Tensor<S> kaiming_uniform(const Shape& shape, Rng& rng, double gain = 1.4142135623730951);
// N(0, s^2), s = gain / sqrt(fan_in).
template <class S>
Tensor<S> kaiming_normal(const Shape& shape, Rng& rng, double gain = 1.4142135623730951);
// A matrix with orthonormal rows or columns, whichever are fewer, times gain (Saxe et al. 2014): Q of a
// normal matrix's QR decomposition, with the signs that make it uniform.
template <class S>
Tensor<S> orthogonal(const Shape& shape, Rng& rng, double gain = 1.0);

}  // namespace unroll
