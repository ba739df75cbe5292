// Files of Neural Amp Modeler: what they mean, by loops over the numbers of the file, and what is refused.
#include "deploy/nam.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "audio_files.hpp"
#include "framework/errors.hpp"
#include "layers/freeze.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {

std::string nam_file(std::size_t inputs, std::size_t hidden, std::size_t layers, const Numbers& weights,
                     const std::string& more = "") {
  return fmt::format(
      R"({{"version":"0.5.4","architecture":"LSTM","config":{{"input_size":{},"hidden_size":{},)"
      R"("num_layers":{}}},{}"weights":[{}]}})",
      inputs, hidden, layers, more, fmt::join(weights, ","));
}

// All steps of a .nam file of two layers with the sizes I, H and one output.
Numbers run_nam(const Numbers& weights, std::size_t inputs, std::size_t H, const Tensor<double>& x) {
  struct Layer {
    const double *W, *b;
    std::size_t inputs;
    Numbers h, c;
  };
  std::vector<Layer> layers;
  const double* next = weights.data();
  for (const std::size_t I : {inputs, H}) {
    Layer l{next, next + 4 * H * (I + H), I, {}, {}};
    next = l.b + 4 * H;
    l.h.assign(next, next + H);
    l.c.assign(next + H, next + 2 * H);
    next += 2 * H;
    layers.push_back(l);
  }
  Numbers result;
  for (std::size_t t = 0; t < x.shape()[0]; ++t) {
    Numbers y(x.data() + t * inputs, x.data() + (t + 1) * inputs);
    for (Layer& l : layers) {
      Numbers both = y;
      both.insert(both.end(), l.h.begin(), l.h.end());
      Numbers sums(l.b, l.b + 4 * H);
      for (std::size_t row = 0; row < 4 * H; ++row)
        for (std::size_t i = 0; i < both.size(); ++i) sums[row] += l.W[row * both.size() + i] * both[i];
      for (std::size_t k = 0; k < H; ++k) {  // i f g o
        l.c[k] = sigmoid_of(sums[H + k]) * l.c[k] + sigmoid_of(sums[k]) * std::tanh(sums[2 * H + k]);
        l.h[k] = sigmoid_of(sums[3 * H + k]) * std::tanh(l.c[k]);
      }
      y = l.h;
    }
    double out = next[H];
    for (std::size_t k = 0; k < H; ++k) out += next[k] * y[k];
    result.push_back(out);
  }
  return result;
}

}  // namespace

TEST_CASE("a .nam file computes what its numbers say, and is written with the same bits") {
  const ScratchFolder folder;
  Rng rng(7);
  const std::size_t I = 2, H = 3, count = 4 * H * (I + H) + 6 * H + 4 * H * 2 * H + 6 * H + H + 1;
  const Numbers weights = draw(count, rng);
  const std::string more = R"("sample_rate":44100,"metadata":{"name":"a","gain":0.5},)";
  const std::string path = write(folder, nam_file(I, H, 2, weights, more), "amp.nam");
  const auto model = load_nam<double>(path);
  CHECK(model.info.sample_rate == 44100.0);
  CHECK(model.info.metadata == R"({"gain":0.5,"name":"a"})");
  const Tensor<double> x = some_input(I, rng);
  const Tensor<double> want = from_values(Shape{kSteps, 1, 1}, run_nam(weights, I, H, x));
  CHECK(largest_difference(model(Var<double>(x)).value(), want) < 1e-13);
  const auto check = [&]<class S>(S) {
    const auto first = load_nam<S>(path);
    save_nam(folder.file("second.nam"), first);
    const auto second = load_nam<S>(folder.file("second.nam"));
    CHECK(all_weights<S>(second) == all_weights<S>(first));
    CHECK(second.info.metadata == first.info.metadata);
    save_nam(folder.file("third.nam"), second);
    CHECK(read(folder.file("third.nam")) == read(folder.file("second.nam")));
  };
  check(0.0F);
  check(0.0);
  auto stream = freeze(model.lstm, model.head);
  for (std::size_t t = 0; t < kSteps; ++t) {
    const double in[2] = {x(t, 0, 0), x(t, 0, 1)};
    CHECK(std::abs(stream.step(in)[0] - want(t, 0, 0)) < 1e-13);
  }
}

TEST_CASE("an LSTM of one's own is written as .nam") {
  const ScratchFolder folder;
  Rng rng(8);
  const Lstm<double> lstm({.input = 1, .hidden = 4}, rng);
  Linear<double> head(4, 1, rng);
  head.bias.mutable_value()(0) = -0.0;  // and its sign
  save_nam(folder.file("own.nam"), lstm, head, {.sample_rate = 96000.0, .metadata = R"({"name":"mine"})"});
  const auto model = load_nam<double>(folder.file("own.nam"));
  const Var<double> x(some_input(1, rng));
  CHECK(largest_difference(model(x).value(), head(lstm(x).output).value()) < 1e-15);
  CHECK(model.info.sample_rate == 96000.0);
  CHECK(std::signbit(model.head.bias.value()(0)));
  // Two inputs and three outputs.
  const Lstm<double> wide({.input = 2, .hidden = 4}, rng);
  const Linear<double> wide_head(4, 3, rng);
  save_nam(folder.file("wide.nam"), wide, wide_head);
  const Var<double> x2(some_input(2, rng));
  CHECK(largest_difference(load_nam<double>(folder.file("wide.nam"))(x2).value(),
                           wide_head(wide(x2).output).value()) < 1e-15);

  const auto refuses = [&](const Lstm<double>& layer, const Linear<double>& last, const NamInfo& info,
                           const char* what) {
    CHECK_THROWS_WITH(save_nam(folder.file("no.nam"), layer, last, info),
                      Contains("[save_nam] ") && Contains(what));
  };
  refuses(lstm, head, {.metadata = "[1]"}, "metadata: expected a JSON object, got '[1]'");
  refuses(lstm, head, {.sample_rate = 0.0}, "sample_rate: expected a number > 0, got 0");
  refuses(lstm, Linear<double>(3, 1, rng), {}, "head: expected a weight (O,4), got (1,3)");
  refuses(Lstm<double>({.input = 1, .hidden = 4}, {.layers = 2, .widths = {3, 4}}, rng), head, {},
          "expected layers of one width");
  refuses(Lstm<double>({.input = 1, .hidden = 4, .coupled = true}, rng), head, {}, "coupled");
  refuses(Lstm<double>(), head, {}, "an empty layer");
}

TEST_CASE("a .nam file that is not known to the last number is refused") {
  const ScratchFolder folder;
  Rng rng(9);
  const auto refuses = [&](const std::string& text, const auto& what) {
    CHECK_THROWS_WITH(load_nam<float>(write(folder, text, "amp.nam")), what);
  };
  const Numbers weights = draw(4 * 2 * 3 + 6 * 2 + 3, rng);
  CHECK(load_nam<float>(write(folder, nam_file(1, 2, 1, weights), "amp.nam")).head.weight.shape(0) == 1);
  refuses(R"({"architecture":"WaveNet","config":{}})",
          Contains("[load_nam] ") && Contains("architecture: expected 'LSTM', got 'WaveNet'"));
  refuses(R"({"architecture":"LSTM","config":{"hidden_size":0,"gain":2}})",
          Contains("config.input_size: expected a value, got none") &&
              Contains("config.hidden_size: expected a whole number from 1 to 65536, got 0") &&
              Contains("config: expected input_size, hidden_size, num_layers, in_channels, out_channels, got "
                       "'gain'") &&
              Contains("weights: expected a value, got none"));
  Numbers fewer = weights;
  fewer.pop_back();
  refuses(nam_file(1, 2, 1, fewer),
          Contains("weights: expected 36 numbers and 3 for each output") && Contains("got a list of 38"));
  refuses(nam_file(1, 2, 2, weights), Contains("of 2 layers with 2 units and 1 inputs"));
  refuses(nam_file(1, 2, 1, weights, R"("sample_rate":"fast",)"),
          Contains("sample_rate: expected a number > 0, got 'fast'"));
  refuses(nam_file(65536, 65536, 1024, {1.0}), Contains("got a list of 1"));
  refuses(
      R"({"architecture":"LSTM","config":{"input_size":2,"hidden_size":1,"num_layers":1,"in_channels":1},"weights":[]})",
      Contains("config.in_channels: expected input_size, 2, got 1"));
  refuses(
      R"({"architecture":"LSTM","config":{"input_size":1,"hidden_size":2,"num_layers":1,"out_channels":2},"weights":[1]})",
      Contains("weights: expected 36 numbers and 3 for each of 2 outputs"));
  refuses("\x1f\x8b gzip", Contains("got a gzip file"));
}
