// A stream from weights alone against the stream of the layer that has them.
#include <catch2/catch.hpp>

#include <algorithm>

#include "framework/errors.hpp"
#include "layers/layers.hpp"

using namespace unroll;
using Catch::Equals;

namespace {

template <class S, class Cell>
StreamWeights<S> cell_weights(bptt::Kernel<S> (*kernel)(), const Cell& cell) {
  StreamWeights<S> weights{kernel, cell.weight_ih.value(), cell.weight_hh.value(), {}, {}, {}};
  if (cell.bias_ih.defined()) weights.bias_ih = cell.bias_ih.value();
  if (cell.bias_hh.defined()) weights.bias_hh = cell.bias_hh.value();
  return weights;
}

template <class Layer>
auto weights_of(bptt::Kernel<typename Layer::Scalar> (*kernel)(), const Layer& layer) {
  using S = typename Layer::Scalar;
  std::vector<StreamWeights<S>> weights;
  for (const auto& cell : layer.cells()) weights.push_back(cell_weights<S>(kernel, cell));
  return weights;
}

// Both take the same steps, to the bit.
template <class S>
void check_same(Stream<S> a, Stream<S> b) {
  Rng rng(3);
  REQUIRE(a.input_size() == b.input_size());
  REQUIRE(a.output_size() == b.output_size());
  for (int t = 0; t < 7; ++t) {
    const Tensor<S> x = random_normal<S>({a.batch(), a.input_size()}, 0.0, 1.0, rng);
    const auto y = a.step({x.data(), x.size()}), z = b.step({x.data(), x.size()});
    CHECK(std::equal(y.begin(), y.end(), z.begin(), z.end()));
    CHECK(std::any_of(y.begin(), y.end(), [](S value) { return value != S(0); }));
  }
}

StreamWeights<float> lstm_weights() {
  return {lstm_kernel<float>, zeros<float>({12, 2}), zeros<float>({12, 3}), {}, {}, {}};
}

}  // namespace

TEMPLATE_TEST_CASE("a stream from weights takes the steps of the frozen layer", "", float, double) {
  using S = TestType;
  Rng rng(1);
  const Rnn<S> tanh({.input = 3, .hidden = 5}, {.layers = 2}, rng);
  check_same(freeze(tanh, {.batch = 2}),
             freeze(weights_of([] { return rnn_kernel<S>(false); }, tanh), {.batch = 2}));
  const Rnn<S> relu({.input = 3, .hidden = 5, .activation = Activation::relu()}, rng);
  check_same(freeze(relu), freeze(weights_of([] { return rnn_kernel<S>(true); }, relu)));
  const Gru<S> after({.input = 3, .hidden = 5, .update = GruUpdate::z_updates}, rng);
  check_same(freeze(after), freeze(weights_of([] { return gru_kernel<S>(true, false); }, after)));
  const Gru<S> before({.input = 3, .hidden = 5, .bias = Bias::none, .reset = GruReset::before}, rng);
  check_same(freeze(before), freeze(weights_of([] { return gru_kernel<S>(false, true); }, before)));
  const Mgu<S> mgu({.input = 3, .hidden = 5, .bias = Bias::single}, rng);
  check_same(freeze(mgu), freeze(weights_of(mgu_kernel<S>, mgu)));

  const Lstm<S> lstm({.input = 3, .hidden = 5, .projection = 2}, {.layers = 2}, rng);
  const Linear<S> head(2, 4, rng);
  auto weights = weights_of(lstm_kernel<S>, lstm);
  for (std::size_t l = 0; l < 2; ++l) weights[l].weight_hr = lstm.cells()[l].weight_hr.value();
  check_same(freeze(lstm, head), freeze(weights, StreamHead<S>{head.weight.value(), head.bias.value()}));
}

TEST_CASE("a stream from weights names what does not fit") {
  std::vector<StreamWeights<float>> layers;
  CHECK_THROWS_WITH(freeze(layers),
                    Equals("[Stream.freeze] layer: expected one with cells, got an empty one"));
  layers.assign(2, lstm_weights());
  CHECK_THROWS_AS(freeze(layers), ShapeError);
  CHECK_THROWS_WITH(
      freeze(layers),
      Equals("[Stream.freeze] layers[1].weight_ih: expected (12,3) for the layer below, got (12,2)"));
  layers.pop_back();
  CHECK_THROWS_WITH(freeze(layers, {.batch = 0}), Equals("[Stream.freeze] batch: expected >= 1, got 0"));
  CHECK_THROWS_WITH(
      freeze(layers, StreamHead<float>{zeros<float>({1, 4}), {}}),
      Equals("[Stream.freeze] head: expected a weight (O,3) for the layer's output, got (1,4)"));
  layers[0].bias_hh = zeros<float>({3});
  CHECK_THROWS_WITH(freeze(layers), Equals("[Stream.freeze] bias_hh: expected (12), got (3)"));
  layers[0].kernel = [] { return rnn_kernel<float>(false); };
  CHECK_THROWS_WITH(freeze(layers), Equals("[Stream.freeze] weight_ih: expected (3,2), got (12,2)"));
  layers[0].weight_hr = zeros<float>({2, 3});
  CHECK_THROWS_WITH(
      freeze(layers),
      Equals("[Stream.freeze] layers[0].weight_hr: expected none, got one (only an LSTM projects)"));
  layers[0].weight_hh = Tensor<float>();
  CHECK_THROWS_AS(freeze(layers), ShapeError);
  layers = {lstm_weights(), {}};
  CHECK_THROWS_WITH(freeze(layers), Equals("[Stream.freeze] layers[1].kernel: expected a cell's, such as "
                                           "lstm_kernel<float>, got none"));
}
