// What must not change the results: who else is in the batch, and how many threads there are.
#include <catch2/catch.hpp>
#include <cmath>

#include "framework/kernels/gemm.hpp"
#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"

using namespace unroll;

namespace {

// Steps [0, length) of sequence b of x (T,B,I), as a batch of one.
template <class S>
Tensor<S> alone(const Tensor<S>& x, std::size_t b, std::size_t length) {
  Tensor<S> one(Shape{length, 1, x.shape()[2]});
  for (std::size_t t = 0; t < length; ++t) {
    for (std::size_t i = 0; i < x.shape()[2]; ++i) one(t, 0, i) = x(t, b, i);
  }
  return one;
}

// Output, final states and the input's gradient of every sequence, in the batch and alone, without its
// padding and with it; the largest difference, the gradient's in units of its largest element if that is
// above 1.
template <class S, class Layer>
double batch_effect(const Layer& layer, const Tensor<S>& values, const std::vector<Index>& lengths) {
  Tape tape;
  const Var<S> x = parameter(values);
  const auto batch = layer(x, {.lengths = lengths});
  tape.backward(sum(square(batch.output)) + sum(hidden_of<S>(batch.states[0])));
  double worst = 0.0, gradient_scale = 1.0;
  for (const S g : x.grad()) gradient_scale = std::max(gradient_scale, std::abs(static_cast<double>(g)));
  const auto differ_by = [&](S a, S b, double scale) {
    worst = std::max(worst, std::abs(static_cast<double>(a) - static_cast<double>(b)) / scale);
  };
  const auto differ = [&](S a, S b) { differ_by(a, b, 1.0); };
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    for (const bool padded : {false, true}) {
      const std::size_t steps = padded ? values.shape()[0] : static_cast<std::size_t>(lengths[b]);
      if (steps == 0) continue;
      Tape own;
      const Var<S> one = parameter(alone(values, b, steps));
      const auto result =
          layer(one, {.lengths = padded ? std::vector<Index>{lengths[b]} : std::vector<Index>{}});
      own.backward(sum(square(result.output)) + sum(hidden_of<S>(result.states[0])));
      for (std::size_t t = 0; t < steps; ++t) {
        for (std::size_t j = 0; j < layer.output_size(); ++j)
          differ(batch.output.value()(t, b, j), result.output.value()(t, 0, j));
        for (std::size_t i = 0; i < values.shape()[2]; ++i)
          differ_by(x.grad()(t, b, i), one.grad()(t, 0, i), gradient_scale);
      }
      for (std::size_t k = 0; k < batch.states.size(); ++k) {
        const Var<S>& h = hidden_of<S>(batch.states[k]);
        for (std::size_t j = 0; j < h.shape(1); ++j)
          differ(h.value()(b, j), hidden_of<S>(result.states[k]).value()(0, j));
      }
    }
  }
  return worst;
}

// By how much a layer may magnify rounding: layer norm divides by sqrt(var + eps), and states begin as zeros.
double magnification(const auto& layer) {
  if constexpr (requires { layer.cells()[0].options.layer_norm; }) {
    if (layer.cells()[0].options.layer_norm) return 1.0 / std::sqrt(LayerNormOptions{}.eps);
  }
  return 1.0;
}

template <class S, class F>
void for_each_kind(const RecurrentOptions& options, Index I, Index H, F&& f) {
  Rng rng(71);
  f(Rnn<S>({.input = I, .hidden = H}, options, rng));
  f(Lstm<S>({.input = I, .hidden = H}, options, rng));
  if (H > 1) f(Lstm<S>({.input = I, .hidden = H, .projection = (H + 3) / 4}, options, rng));
  f(Gru<S>({.input = I, .hidden = H}, options, rng));
  f(Gru<S>({.input = I, .hidden = H, .reset = GruReset::before}, options, rng));
  if (options.path == Path::fused) return;
  f(Lstm<S>({.input = I, .hidden = H, .peepholes = true, .layer_norm = true}, options, rng));
  f(Recurrent<test::MinimalGatedUnit<S>>({.input = I, .hidden = H}, options, rng));
}

}  // namespace

TEST_CASE("a sequence gets in a ragged batch what it gets alone: 1e-12 in double, 2e-6 in float") {
  Rng rng(72);
  const std::vector<Index> lengths{13, 30, 0, 1, 30, 22, 7};
  const auto x = random_normal<double>({30, 7, 5}, 0.0, 1.0, rng);
  const auto x_float = convert_tensor<float>(x);
  for (const Path path : {Path::fused, Path::tape}) {
    const RecurrentOptions options{.layers = 2, .bidirectional = true, .path = path};
    for_each_kind<double>(options, 5, 24, [&](const auto& layer) {
      INFO(layer.extra_repr());
      CHECK(batch_effect(layer, x, lengths) < 1e-12);
    });
    for_each_kind<float>(options, 5, 24, [&](const auto& layer) {
      INFO(layer.extra_repr());
      CHECK(batch_effect(layer, x_float, lengths) < 2e-6 * magnification(layer));
    });
  }
}

TEST_CASE("a sequence gets in the smallest of batches and layers what it gets alone: 1e-12") {
  Rng rng(74);
  for (const Index input : {1, 2}) {
    for (const Index hidden : {1, 3}) {
      for (const std::vector<Index>& lengths :
           {std::vector<Index>{3}, std::vector<Index>{1}, std::vector<Index>{0}, std::vector<Index>{0, 3, 1},
            std::vector<Index>{0, 0}, std::vector<Index>{1, 1}}) {
        const auto x =
            random_normal<double>({3, lengths.size(), static_cast<std::size_t>(input)}, 0.0, 1.0, rng);
        for (const Path path : {Path::fused, Path::tape}) {
          for (const bool bidirectional : {false, true}) {
            const RecurrentOptions options{.layers = 2, .bidirectional = bidirectional, .path = path};
            for_each_kind<double>(options, input, hidden, [&](const auto& layer) {
              INFO(layer.extra_repr() << ", B " << lengths.size() << ", first length " << lengths[0]);
              CHECK(batch_effect(layer, x, lengths) < 1e-12);
            });
          }
        }
      }
    }
  }
}

TEST_CASE("results do not depend on the number of threads, bit for bit") {
  // Large enough for products that a threaded BLAS would split.
  Rng rng(73);
  const auto x = random_normal<float>({12, 32, 48}, 0.0F, 1.0F, rng);
  const int before = num_threads();
  for (const Path path : {Path::fused, Path::tape}) {
    const Lstm<float> lstm({.input = 48, .hidden = 160}, {.layers = 2, .bidirectional = true, .path = path},
                           rng);
    const Gru<float> gru({.input = 48, .hidden = 160}, {.path = path}, rng);
    const auto everything = [&](const auto& layer) {
      Tape tape;
      const Var<float> input = parameter(x);
      auto wanted = parameters(layer);
      wanted.push_back(input);
      const auto result = layer(input);
      std::vector<Tensor<float>> all{result.output.value()};
      for (const auto& g : gradients(std::vector<Var<float>>{sum(square(result.output))}, wanted))
        all.push_back(g.value());
      return all;
    };
    for (const int threads : {2, 3}) {
      set_num_threads(1);
      const auto lstm_one = everything(lstm), gru_one = everything(gru);
      set_num_threads(threads);
      CHECK(everything(lstm) == lstm_one);
      CHECK(everything(gru) == gru_one);
    }
  }
  set_num_threads(before);
}
