// last(): the final h of as many directions as the result has.
#include <catch2/catch.hpp>

#include "framework/errors.hpp"
#include "layers/layers.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

template <class Layer>
void check_last(const Layer& layer, const Var<double>& x, const std::vector<Index>& lengths) {
  const auto result = layer(x, {.states = {}, .lengths = lengths});
  const std::size_t T = x.shape(0), B = x.shape(1), D = layer.output_size();
  const Tensor<double> got = last(result).value(), y = result.output.value();
  REQUIRE(got.shape() == Shape{B, D});
  const std::size_t half = D / layer.directions();
  for (std::size_t b = 0; b < B; ++b) {
    const std::size_t end = lengths.empty() ? T : static_cast<std::size_t>(lengths[b]);
    for (std::size_t k = 0; k < D; ++k) {
      // The backward direction ends at step 0.
      CHECK(got(b, k) == (k < half ? y(end - 1, b, k) : y(0, b, k)));
    }
  }
  CHECK((last(layer.with_all_states(x, {.states = {}, .lengths = lengths})).value() == got));
}

}  // namespace

TEST_CASE("last() gives what the layer puts out at the end, of one direction or both") {
  Rng rng(1);
  const Var<double> x(random_normal<double>({4, 3, 2}, 0.0, 1.0, rng));
  for (const bool both : {false, true}) {
    for (const Index layers : {1, 2}) {
      CAPTURE(both, layers);
      const RecurrentOptions options{.layers = layers, .bidirectional = both};
      check_last(Gru<double>({.input = 2, .hidden = 3}, options, rng), x, {});
      check_last(Rnn<double>({.input = 2, .hidden = 3}, options, rng), x, {4, 1, 2});
      check_last(Lstm<double>({.input = 2, .hidden = 5, .projection = 3}, options, rng), x, {2, 4, 1});
    }
    check_last(Gru<double>({.input = 2}, {.widths = {6, 3}, .bidirectional = both}, rng), x, {});
  }
}

TEST_CASE("last() of a step is its h") {
  Rng rng(2);
  const Gru<float> gru({.input = 2, .hidden = 3}, {.layers = 2}, rng);
  const auto result = gru.step(Var<float>(ones<float>({1, 2})));
  CHECK((last(result).value() == result.output.value()));
}

TEST_CASE("last() refuses a result that no layer has made, and an output that was changed") {
  CHECK_THROWS_WITH(last(Gru<float>::Output()),
                    Contains("[last] result: expected the result of a recurrent layer"));
  CHECK_THROWS_AS(last(Lstm<float>::Trace()), ArgumentError);
  Rng rng(3);
  const Gru<float> gru({.input = 2, .hidden = 3}, {.layers = 2}, rng);
  auto result = gru(Var<float>(ones<float>({4, 1, 2})));
  result.output = Linear<float>(3, 4, rng)(result.output);
  CHECK_THROWS_WITH(last(result), Contains("once or twice the features") && Contains("(4,1,4) and (1,3)"));
  const Gru<float> one({.input = 2, .hidden = 3}, rng);
  auto single = one(Var<float>(ones<float>({4, 1, 2})));
  single.output = concat({single.output, single.output}, -1);  // of both directions there are two states
  CHECK_THROWS_AS(last(single), ShapeError);
}
