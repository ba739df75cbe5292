#include "framework/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>
#include <string_view>
#include <xtensor-blas/xlinalg.hpp>
#include <xtensor/xtensor.hpp>

#include "framework/errors.hpp"
#include "framework/kernels/blas.hpp"
#include "framework/number_text.hpp"
#include "framework/quoted.hpp"

// Compiled with -ffp-contract=off: a fused multiply-add would make the numbers depend on the machine.

namespace unroll {
namespace {

std::uint64_t split_mix(std::uint64_t& state) noexcept {
  state += 0x9e3779b97f4a7c15U;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

struct Fans {
  double in;
  double out;
};

Fans fans(const char* function, const Shape& shape) {
  if (shape.size() != 2) {
    throw ShapeError(
        fmt::format("[{}] shape: expected (fan_out,fan_in), got {}", function, to_string(shape)));
  }
  return {static_cast<double>(shape[1]), static_cast<double>(shape[0])};
}

void check_gain(const char* function, double gain) {
  if (!(gain >= 0.0) || std::isinf(gain)) {
    throw ArgumentError(fmt::format("[{}] gain: expected a finite number >= 0, got {}", function, gain));
  }
}

// Throws unless values of this size are finite in S.
template <class S>
void check_size(const char* function, double size) {
  if (!(size <= static_cast<double>(std::numeric_limits<S>::max()))) {
    throw ArgumentError(fmt::format("[{}] expected values that a {} can represent, got {}", function,
                                    sizeof(S) == 4 ? "float" : "double", size));
  }
}

template <class S>
Tensor<S> filled_uniform(const char* function, const Shape& shape, double low, double high, Rng& rng) {
  Tensor<S> tensor(shape);
  if (tensor.size() == 0) return tensor;  // no weights: any range is allowed
  check_size<S>(function, std::max(std::abs(low), std::abs(high)));
  const S last = std::nextafter(static_cast<S>(high), static_cast<S>(low));
  for (S& v : tensor.storage()) {
    v = static_cast<S>(rng.uniform(low, high));
    if (v >= static_cast<S>(high)) v = last;  // rounding must not reach the open end
  }
  return tensor;
}

template <class S>
Tensor<S> filled_normal(const char* function, const Shape& shape, double mean, double stddev, Rng& rng) {
  Tensor<S> tensor(shape);
  if (tensor.size() == 0) return tensor;
  constexpr double kFarthest = 10.0;  // in deviations: none of 2^64 numbers is farther away
  check_size<S>(function, std::abs(mean) + kFarthest * stddev);
  for (S& v : tensor.storage()) v = static_cast<S>(rng.normal(mean, stddev));
  return tensor;
}

}  // namespace

Rng::Rng(std::uint64_t seed) noexcept {
  for (std::uint64_t& word : state_) word = split_mix(seed);
}

std::uint64_t Rng::next() noexcept {
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Rng::uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

double Rng::normal(double mean, double stddev) noexcept {
  if (has_spare_) {
    has_spare_ = false;
    return mean + stddev * spare_;
  }
  double u, v, r;
  do {
    u = uniform(-1.0, 1.0);
    v = uniform(-1.0, 1.0);
    r = u * u + v * v;
  } while (r >= 1.0 || r == 0.0);
  const double f = std::sqrt(-2.0 * std::log(r) / r);
  spare_ = f * v;
  has_spare_ = true;
  return mean + stddev * (f * u);
}

Index Rng::below(Index n) {
  if (n < 1) throw ArgumentError(fmt::format("[Rng::below] n: expected >= 1, got {}", n));
  // The first 2^64 mod n words are rejected, so that every remainder is equally frequent.
  const auto count = static_cast<std::uint64_t>(n);
  const std::uint64_t refused = (std::uint64_t{0} - count) % count;
  std::uint64_t word = next();
  while (word < refused) word = next();
  return static_cast<Index>(word % count);
}

std::vector<Index> Rng::permutation(Index n) {
  if (n < 0) throw ArgumentError(fmt::format("[Rng::permutation] n: expected >= 0, got {}", n));
  std::vector<Index> order;
  try {
    order.resize(static_cast<std::size_t>(n));
  } catch (const std::exception&) {  // bad_alloc, length_error
    throw MemoryError(fmt::format("[Rng::permutation] not enough memory for {} elements", n));
  }
  std::iota(order.begin(), order.end(), Index{0});
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<std::size_t>(below(static_cast<Index>(i)))]);
  }
  return order;
}

Rng Rng::split() noexcept { return Rng(next()); }

// Four words and the spare normal number's bits, in hexadecimal; "-" for no spare.
std::string Rng::state() const {
  const std::string spare = has_spare_ ? fmt::format("{:016x}", std::bit_cast<std::uint64_t>(spare_)) : "-";
  return fmt::format("{:016x} {:016x} {:016x} {:016x} {}", state_[0], state_[1], state_[2], state_[3], spare);
}

void Rng::load_state(const std::string& state) {
  constexpr std::size_t kDigits = 16, kWords = 4;
  std::uint64_t words[kWords + 1] = {};
  const bool has_spare = state.size() == (kWords + 1) * (kDigits + 1) - 1;
  bool good = has_spare || (state.size() == kWords * (kDigits + 1) + 1 && state.back() == '-');
  for (std::size_t i = 0; good && i < kWords + (has_spare ? 1 : 0); ++i) {
    const std::string_view rest = std::string_view(state).substr(i * (kDigits + 1));
    const auto word = detail::parse_number<std::uint64_t>(rest.substr(0, kDigits), 16);
    good = word && (rest.size() == kDigits || rest[kDigits] == ' ');
    words[i] = word.value_or(0);
  }
  const double spare = std::bit_cast<double>(words[kWords]);
  good = good && std::isfinite(spare);
  // The state zero is invalid: the generator never leaves it and never reaches it.
  good = good && (words[0] | words[1] | words[2] | words[3]) != 0;
  if (!good) {
    throw ArgumentError(
        fmt::format("[Rng::load_state] state: expected what state() returned, got {}", quoted(state)));
  }
  std::copy_n(words, kWords, state_);
  has_spare_ = has_spare;
  spare_ = spare;  // 0 where there is none
}

template <class S>
Tensor<S> random_uniform(const Shape& shape, double low, double high, Rng& rng) {
  if (!(low <= high) || !std::isfinite(high - low)) {
    throw ArgumentError(
        fmt::format("[random_uniform] expected finite low <= high, got {} and {}", low, high));
  }
  return filled_uniform<S>("random_uniform", shape, low, high, rng);
}

template <class S>
Tensor<S> random_normal(const Shape& shape, double mean, double stddev, Rng& rng) {
  if (!std::isfinite(mean) || !(stddev >= 0.0) || std::isinf(stddev)) {
    throw ArgumentError(fmt::format(
        "[random_normal] expected a finite mean and a finite stddev >= 0, got {} and {}", mean, stddev));
  }
  return filled_normal<S>("random_normal", shape, mean, stddev, rng);
}

template <class S>
Tensor<S> xavier_uniform(const Shape& shape, Rng& rng, double gain) {
  const Fans fan = fans("xavier_uniform", shape);
  check_gain("xavier_uniform", gain);
  const double a = gain * std::sqrt(6.0 / (fan.in + fan.out));
  return filled_uniform<S>("xavier_uniform", shape, -a, a, rng);
}

template <class S>
Tensor<S> xavier_normal(const Shape& shape, Rng& rng, double gain) {
  const Fans fan = fans("xavier_normal", shape);
  check_gain("xavier_normal", gain);
  return filled_normal<S>("xavier_normal", shape, 0.0, gain * std::sqrt(2.0 / (fan.in + fan.out)), rng);
}

template <class S>
Tensor<S> kaiming_uniform(const Shape& shape, Rng& rng, double gain) {
  const Fans fan = fans("kaiming_uniform", shape);
  check_gain("kaiming_uniform", gain);
  const double a = gain * std::sqrt(3.0 / fan.in);
  return filled_uniform<S>("kaiming_uniform", shape, -a, a, rng);
}

template <class S>
Tensor<S> kaiming_normal(const Shape& shape, Rng& rng, double gain) {
  const Fans fan = fans("kaiming_normal", shape);
  check_gain("kaiming_normal", gain);
  return filled_normal<S>("kaiming_normal", shape, 0.0, gain / std::sqrt(fan.in), rng);
}

template <class S>
Tensor<S> orthogonal(const Shape& shape, Rng& rng, double gain) {
  if (shape.size() != 2) {
    throw ShapeError(fmt::format("[orthogonal] shape: expected (rows,columns), got {}", to_string(shape)));
  }
  check_gain("orthogonal", gain);
  Tensor<S> result(shape);
  if (result.size() == 0) return result;
  const bool wide = shape[0] < shape[1];
  const std::size_t tall = std::max(shape[0], shape[1]);
  const std::size_t narrow = std::min(shape[0], shape[1]);
  if (tall > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw ShapeError(fmt::format("[orthogonal] shape: expected at most 2^31 - 1 rows and columns, got {}",
                                 to_string(shape)));
  }
  try {
    xt::xtensor<double, 2> normal({tall, narrow});
    for (double& v : normal) v = rng.normal();
    const kernel::BlasUse use;
    const auto [q, r] = xt::linalg::qr(normal);
    for (std::size_t j = 0; j < narrow; ++j) {
      // QR leaves the sign of each column open; R's diagonal > 0 makes Q uniform over the orthogonal
      // matrices.
      const double scale = r(j, j) < 0.0 ? -gain : gain;
      for (std::size_t i = 0; i < tall; ++i) {
        (wide ? result(j, i) : result(i, j)) = static_cast<S>(scale * q(i, j));
      }
    }
  } catch (const std::bad_alloc&) {
    throw MemoryError(fmt::format("[orthogonal] not enough memory for a matrix {}", to_string(shape)));
  }
  return result;
}

#define UNROLL_INSTANTIATE(S)                                               \
  template Tensor<S> random_uniform<S>(const Shape&, double, double, Rng&); \
  template Tensor<S> random_normal<S>(const Shape&, double, double, Rng&);  \
  template Tensor<S> xavier_uniform<S>(const Shape&, Rng&, double);         \
  template Tensor<S> xavier_normal<S>(const Shape&, Rng&, double);          \
  template Tensor<S> kaiming_uniform<S>(const Shape&, Rng&, double);        \
  template Tensor<S> kaiming_normal<S>(const Shape&, Rng&, double);         \
  template Tensor<S> orthogonal<S>(const Shape&, Rng&, double);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
