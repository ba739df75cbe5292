// C files beside streams: the time of a step, in turn, of models with one input and a head.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>

#include "deploy/export_c.hpp"
#include "layers/layers.hpp"
#include "tests/deploy/c_library.hpp"
#include "tests/layers/minimal_gated_unit.hpp"
#include "tests/scratch.hpp"

namespace {

using namespace unroll;

template <class F>
double microseconds(const F& step) {
  constexpr int kSteps = 2000;
  const auto begin = std::chrono::steady_clock::now();
  for (int t = 0; t < kSteps; ++t) step();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count() / kSteps;
}

double median(std::vector<double>& times) {
  std::nth_element(times.begin(), times.begin() + std::ssize(times) / 2, times.end());
  return times[times.size() / 2];
}

template <class Layer>
void compare(const char* label, const Layer& layer, Rng& rng) {
  const Linear<float> head(static_cast<Index>(layer.output_size()), 1, rng);
  const test::ScratchFolder folder;
  auto stream = freeze(layer, head);
  std::vector<test::CModel> files;
  for (const char* flags : {"-O3 -march=native", "-O3 -DMODEL_CLONES -lgcc", "-O3"}) {
    export_c(layer, head, folder.file("model.c"));
    files.emplace_back(folder.path().string(), "model", flags);
  }
  const float x = 0.3F;
  float y = 0.0F;
  std::vector<double> times[4];
  for (int round = 0; round < 51; ++round) {
    times[0].push_back(microseconds([&] { y = stream.step(std::span(&x, 1))[0]; }));
    for (std::size_t k = 0; k < files.size(); ++k)
      times[1 + k].push_back(microseconds([&] { files[k].step(&x, &y); }));
  }
  const double of_stream = median(times[0]);
  fmt::print("{:<16} stream {:.3f} us; C -march=native {:.2f} of it, -DMODEL_CLONES {:.2f}, plain {:.2f}\n",
             label, of_stream, median(times[1]) / of_stream, median(times[2]) / of_stream,
             median(times[3]) / of_stream);
}

}  // namespace

int main() {
  Rng rng(1);
  compare("LSTM 16", Lstm<float>({.input = 1, .hidden = 16}, rng), rng);
  compare("LSTM 64", Lstm<float>({.input = 1, .hidden = 64}, rng), rng);
  compare("GRU 2 x 32", Gru<float>({.input = 1, .hidden = 32}, {.layers = 2}, rng), rng);
  compare("custom cell 32", Recurrent<test::MinimalGatedUnit<float>>({.input = 1, .hidden = 32}, rng), rng);
}
