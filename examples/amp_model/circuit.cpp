#include "examples/amp_model/circuit.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "framework/random.hpp"

namespace unroll::examples {
namespace {

using Signal = std::vector<double>;
constexpr double kRate = 48000.0, kTwoPi = 2.0 * std::numbers::pi;

std::size_t steps_in(double seconds) { return static_cast<std::size_t>(seconds * kRate); }

// One string: noise that goes round a delay line of one period, averaged with its neighbour.
void pluck(Signal& to, std::size_t start, std::size_t length, double frequency, double level, Rng& rng) {
  Signal line(static_cast<std::size_t>(kRate / frequency));
  for (double& v : line) v = level * (2.0 * rng.uniform() - 1.0);
  for (std::size_t i = 0; i < length && start + i < to.size(); ++i) {
    double& v = line[i % line.size()];
    to[start + i] += 0.7 * v;
    v = 0.498 * (v + line[(i + 1) % line.size()]);
  }
}

// From 30 Hz to 9 kHz.
void sweep(Signal& to, std::size_t start, double level) {
  const std::size_t length = steps_in(2.0);
  double phase = 0.0;
  for (std::size_t i = 0; i < length && start + i < to.size(); ++i) {
    phase += kTwoPi / kRate * 30.0 * std::pow(300.0, static_cast<double>(i) / static_cast<double>(length));
    to[start + i] = level * std::sin(phase);
  }
}

void hiss(Signal& to, std::size_t start, Rng& rng) {
  double low = 0.0;
  for (std::size_t i = 0; i < steps_in(1.0) && start + i < to.size(); ++i) {
    low += 0.3 * (rng.normal() - low);
    to[start + i] = 0.3 * low;
  }
}

constexpr std::size_t kOver = 4;

// A low-pass below half of the original rate, 16 original samples long (Blackman's window).
Signal low_pass() {
  constexpr std::size_t taps = 16 * kOver + 1;
  Signal filter(taps);
  double sum = 0.0;
  for (std::size_t k = 0; k < taps; ++k) {
    const double t = 0.92 * (static_cast<double>(k) - static_cast<double>(taps / 2)) / double{kOver};
    const double at = kTwoPi * static_cast<double>(k) / static_cast<double>(taps - 1);
    const double window = 0.42 - 0.5 * std::cos(at) + 0.08 * std::cos(2.0 * at);
    filter[k] = window * (t == 0.0 ? 1.0 : std::sin(std::numbers::pi * t) / (std::numbers::pi * t));
    sum += filter[k];
  }
  for (double& v : filter) v /= sum;
  return filter;
}

double filtered(const Signal& filter, const Signal& x, std::size_t i) {
  double sum = 0.0;
  for (std::size_t k = 0; k < std::min(filter.size(), i + 1); ++k) sum += filter[k] * x[i - k];
  return sum;
}

// The voltage over the diodes: C v' = (u - v) / R - I (exp(v / n1) - 1) + I (exp(-v / n2) - 1), by the
// implicit Euler method.
class Clipper {
 public:
  double step(double u) {
    const double before = v_;
    for (int iteration = 0; iteration < 50; ++iteration) {
      const double up = std::exp(std::min(v_ / kFirst, 80.0)), down = std::exp(std::min(-v_ / kSecond, 80.0));
      const double error =
          v_ - before - kStep * ((u - v_) / kResistance - kLeakage * (up - 1.0) + kLeakage * (down - 1.0));
      const double slope =
          1.0 + kStep * (1.0 / kResistance + kLeakage * up / kFirst + kLeakage * down / kSecond);
      const double change = std::clamp(error / slope, -0.05, 0.05);  // V
      v_ -= change;
      if (std::abs(change) < 1e-9) break;
    }
    return v_;
  }

 private:
  static constexpr double kResistance = 2200.0, kCapacity = 10e-9, kLeakage = 2.52e-9;
  static constexpr double kFirst = 1.752 * 25.85e-3, kSecond = 2.0 * kFirst;
  static constexpr double kStep = 1.0 / (kRate * double{kOver}) / kCapacity;
  double v_ = 0.0;
};

}  // namespace

Recording<float> play(double seconds, std::uint64_t seed) {
  Rng rng(seed);
  Signal signal(steps_in(seconds), 0.0);
  for (double at = 0.0; at < seconds - 1.0; at += 0.08 + 0.5 * rng.uniform()) {
    const double frequency = 82.4 * std::pow(2.0, std::floor(36.0 * rng.uniform()) / 12.0);  // from E2 on
    const double level = 0.1 + 0.9 * rng.uniform();
    const std::size_t length = steps_in(0.3 + 1.5 * rng.uniform());
    pluck(signal, steps_in(at), length, frequency, level, rng);
  }
  for (double at = 7.0; at < seconds; at += 10.0) {
    sweep(signal, steps_in(at), 0.1 * std::pow(9.0, rng.uniform()));
    hiss(signal, steps_in(at + 2.0), rng);
  }
  Recording<float> dry{empty<float>({signal.size(), 1}), kRate};
  std::transform(signal.begin(), signal.end(), dry.samples.data(),
                 [](double v) { return static_cast<float>(std::clamp(v, -1.0, 1.0)); });
  return dry;
}

Recording<float> distort(const Recording<float>& dry) {
  const std::size_t steps = dry.samples.size(), many = steps * kOver;
  const Signal filter = low_pass();
  Signal stuffed(many, 0.0), voltage(many);
  for (std::size_t i = 0; i < steps; ++i)
    stuffed[i * kOver] = double{kOver} * static_cast<double>(dry.samples.data()[i]);
  const double angle = kTwoPi / (kRate * double{kOver});
  const double high_pass = std::exp(-30.0 * angle), tone = 1.0 - std::exp(-700.0 * angle);
  Clipper clipper;
  double coupled = 0.0, before = 0.0, low = 0.0;
  for (std::size_t i = 0; i < many; ++i) {
    const double u = filtered(filter, stuffed, i);
    coupled = high_pass * (coupled + u - std::exchange(before, u));
    const double v = clipper.step(8.0 * coupled);
    low += tone * (v - low);
    voltage[i] = 0.6 * low + 0.9 * (v - low);
  }
  Recording<float> wet{empty<float>({steps, 1}), dry.sample_rate};
  double peak = 0.0;
  for (std::size_t i = 0; i < steps; ++i) {
    const double v = filtered(filter, voltage, i * kOver);
    wet.samples.data()[i] = static_cast<float>(v);
    peak = std::max(peak, std::abs(v));
  }
  for (float& v : wet.samples.storage()) v *= static_cast<float>(0.9 / peak);
  return wet;
}

}  // namespace unroll::examples
