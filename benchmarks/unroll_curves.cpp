// The cost of an LSTM's training step against its sizes: one CSV row per point, drawn by
// benchmarks/curves.gp.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <vector>

#include "unroll.hpp"
#include "unroll_bench/machine.hpp"

namespace {

using namespace unroll;

struct Point {
  const char* axis;
  std::size_t value, H = 128, B = 16, T = 50, layers = 1;
};

struct Model {
  Rng rng{1};
  Lstm<float> lstm;
  Sgd<float> sgd;
  Var<float> x, upstream;
  explicit Model(const Point& p)
      : lstm({.input = Index(p.H), .hidden = Index(p.H)}, {.layers = Index(p.layers)}, rng),
        sgd(parameters(lstm), {.lr = 1e-3}),
        x(random_normal<float>({p.T, p.B, p.H}, 0.0, 1.0, rng)),
        upstream(random_normal<float>({p.T, p.B, p.H}, 0.0, 1e-3, rng)) {}
  void step() {
    Tape tape;
    tape.backward(lstm(x).output, upstream);
    sgd.step();
  }
};

// Multiplications in a step's matrix products: forward, the states' gradients, the weights' gradients, and
// the input's gradient above layer 0.
double multiplications(const Point& p) {
  const double rows = static_cast<double>(p.T * p.B), weights = 4.0 * static_cast<double>(p.H * p.H);
  return rows * weights * (5.0 * static_cast<double>(p.layers) + static_cast<double>(p.layers - 1));
}

// Microseconds per step: the median of repetitions.
double median_step(Model& model, int repetitions, double seconds) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < 3; ++i) model.step();
  const auto timed = [&](long steps) {
    const auto begin = Clock::now();
    for (long i = 0; i < steps; ++i) model.step();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const long steps = std::max(1L, static_cast<long>(seconds / timed(1)));
  std::vector<double> times;
  for (int r = 0; r < repetitions; ++r) times.push_back(1e6 * timed(steps) / static_cast<double>(steps));
  std::nth_element(times.begin(), times.begin() + repetitions / 2, times.end());
  return times[static_cast<std::size_t>(repetitions / 2)];
}

}  // namespace

int main(int argc, char** argv) {
  bench::clear_blas_overrides(argv);
  CLI::App app{
      "Times a training step of an LSTM (float, one thread, I = H) against H, B, T and the number of "
      "layers."};
  std::string path = "curves.csv";
  int repetitions = 7;
  double seconds = 0.03;
  app.add_option("--csv", path, "The file to write")->capture_default_str();
  app.add_option("--repetitions", repetitions)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--seconds", seconds, "Shortest time of a repetition")
      ->check(CLI::Range(0.001, 60.0))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  std::vector<Point> points;
  for (const std::size_t H : std::initializer_list<std::size_t>{16, 32, 64, 128, 256, 512, 1024})
    points.push_back({.axis = "H", .value = H, .H = H});
  for (const std::size_t B : std::initializer_list<std::size_t>{1, 2, 4, 8, 16, 32, 64, 128, 256})
    points.push_back({.axis = "B", .value = B, .B = B});
  for (const std::size_t T : std::initializer_list<std::size_t>{1, 3, 10, 30, 100, 300, 1000})
    points.push_back({.axis = "T", .value = T, .T = T});
  for (const std::size_t layers : std::initializer_list<std::size_t>{1, 2, 3, 4})
    points.push_back({.axis = "layers", .value = layers, .layers = layers});

  std::ofstream file(path);
  file << "axis,value,microseconds,gflops,megabytes\n";
  bench::pin(1);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Point& p = points[i];
    fmt::print(stderr, "\r[{}/{}] {} = {}    ", i + 1, points.size(), p.axis, p.value);
    const double bytes = bench::peak_bytes([&] {
      Model model(p);
      for (int k = 0; k < 2; ++k) model.step();
    });
    Model model(p);
    const double us = median_step(model, repetitions, seconds);
    file << fmt::format("{},{},{:.4g},{:.4g},{:.4g}\n", p.axis, p.value, us, 2e-3 * multiplications(p) / us,
                        bytes / 1e6);
  }
  fmt::print(stderr, "\r                          \r");
  file.flush();
  if (!file) {
    fmt::print(stderr, "unroll_curves: cannot write {}\n", path);
    return 1;
  }
  fmt::print("{}, OpenBLAS core {}, SIMD {}: {}\n", bench::cpu_name(), bench::blas_core(), simd_isa(), path);
}
