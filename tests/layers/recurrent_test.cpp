#include <catch2/catch.hpp>
#include <cmath>

#include "framework/errors.hpp"
#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"

using namespace unroll;

TEST_CASE("every cell's kernel agrees with the tape and with central differences") {
  Rng rng(7);
  const Tensor<double> x = random_normal<double>({5, 3, 2}, 0.0, 1.0, rng);
  const std::vector<std::vector<Index>> ragged{{}, {3, 5, 1}, {2, 0, 4}};
  for (const auto& lengths : ragged) {
    for (const bool bidirectional : {false, true}) {
      for (const Index layers : {Index{1}, Index{2}}) {
        const RecurrentOptions options{.layers = layers, .bidirectional = bidirectional};
        const auto check = [&](const auto& layer) {
          const auto report = verify(layer, x, {.lengths = lengths});
          INFO(report.message);
          CHECK(report);
          CHECK(report.worst_analytic < 1e-13);
        };
        check(Rnn<double>({.input = 2, .hidden = 4}, options, rng));
        check(Rnn<double>({.input = 2, .hidden = 4, .activation = Activation::relu()}, options, rng));
        check(Lstm<double>({.input = 2, .hidden = 4}, options, rng));
        check(Lstm<double>({.input = 2, .hidden = 4, .projection = 3}, options, rng));
        for (const auto reset : {GruReset::after, GruReset::before}) {
          for (const auto update : {GruUpdate::z_keeps, GruUpdate::z_updates}) {
            check(Gru<double>({.input = 2, .hidden = 4, .reset = reset, .update = update}, options, rng));
          }
        }
      }
    }
  }
}

namespace {

// Calls f with one layer of every kind.
template <class F>
void for_each_layer(Index input, Index hidden, const RecurrentOptions& options, Rng& rng, F&& f) {
  f(Rnn<double>({.input = input, .hidden = hidden}, options, rng));
  f(Lstm<double>({.input = input, .hidden = hidden}, options, rng));
  f(Lstm<double>({.input = input, .hidden = hidden, .projection = hidden - 1}, options, rng));
  f(Gru<double>({.input = input, .hidden = hidden}, options, rng));
  f(Gru<double>({.input = input, .hidden = hidden, .reset = GruReset::before}, options, rng));
  f(Mgu<double>({.input = input, .hidden = hidden}, options, rng));
}

// A model around a layer, so that the layer has a name.
struct Encoder {
  using Scalar = double;
  const Gru<double>& encoder;
  static void each(auto& self, auto&& visit) { visit("encoder", self.encoder); }
};

// Rows [0, length) of sequence b of x (T,B,I), as a batch of one.
Tensor<double> alone(const Tensor<double>& x, std::size_t b, std::size_t length) {
  Tensor<double> one(Shape{length, 1, x.shape()[2]});
  for (std::size_t t = 0; t < length; ++t) {
    for (std::size_t i = 0; i < x.shape()[2]; ++i) one(t, 0, i) = x(t, b, i);
  }
  return one;
}

}  // namespace

TEST_CASE("a ragged batch gives each sequence what it gets alone, and padding does not leak") {
  Rng rng(11);
  const std::vector<Index> lengths{3, 6, 0, 1, 6, 4};
  Tensor<double> x = random_normal<double>({6, 6, 2}, 0.0, 1.0, rng);
  for (std::size_t b = 0; b < 6; ++b) {
    for (auto t = static_cast<std::size_t>(lengths[b]); t < 6; ++t) {
      for (std::size_t i = 0; i < 2; ++i) x(t, b, i) = std::nan("");
    }
  }
  for (const Path path : {Path::fused, Path::tape}) {
    const RecurrentOptions options{.layers = 2, .bidirectional = true, .path = path};
    for_each_layer(2, 5, options, rng, [&](const auto& layer) {
      Tape tape;
      const Var<double> input = parameter(x);
      const auto batch = layer(input, {.lengths = lengths});
      const std::size_t width = batch.output.shape(2);
      for (std::size_t b = 0; b < 6; ++b) {
        const auto length = static_cast<std::size_t>(lengths[b]);
        for (std::size_t t = length; t < 6; ++t) {
          for (std::size_t j = 0; j < width; ++j) CHECK(batch.output.value()(t, b, j) == 0.0);
        }
        if (length == 0) {
          CHECK(hidden_of<double>(batch.states[3]).value()(b, 0) == 0.0);
          continue;
        }
        const auto one = layer(Var<double>(alone(x, b, length)));
        for (std::size_t t = 0; t < length; ++t) {
          for (std::size_t j = 0; j < width; ++j) {
            CHECK(batch.output.value()(t, b, j) == Approx(one.output.value()(t, 0, j)).margin(1e-12));
          }
        }
        for (std::size_t k = 0; k < 4; ++k) {
          CHECK(hidden_of<double>(batch.states[k]).value()(b, 1) ==
                Approx(hidden_of<double>(one.states[k]).value()(0, 1)).margin(1e-12));
        }
      }
      tape.backward(sum(square(batch.output)) + sum(hidden_of<double>(batch.states[0])));
      for (std::size_t b = 0; b < 6; ++b) {
        for (std::size_t t = 0; t < 6; ++t) {
          const double g = input.grad()(t, b, 0);
          CHECK(std::isfinite(g));
          CHECK((g == 0.0) == (t >= static_cast<std::size_t>(lengths[b])));
        }
      }
      for (const auto& p : named_parameters(layer)) {
        if (!p.var.has_grad()) continue;
        for (double g : p.var.grad()) REQUIRE(std::isfinite(g));
      }
    });
  }
}

TEST_CASE("batch_first only exchanges the axes") {
  Rng rng(12);
  const Tensor<double> x = random_normal<double>({4, 3, 2}, 0.0, 1.0, rng);
  Rng first(5), second(5);
  const Gru<double> time_major({.input = 2, .hidden = 3}, first);
  const Gru<double> batch_major({.input = 2, .hidden = 3}, {.batch_first = true}, second);
  const auto a = time_major(Var<double>(x), {.lengths = {2, 4, 3}});
  const auto b = batch_major(transpose(Var<double>(x), 0, 1), {.lengths = {2, 4, 3}});
  CHECK((transpose(b.output, 0, 1).value() == a.output.value()));
  CHECK(a.states[0].value() == b.states[0].value());
}

TEST_CASE("carrying the state over windows equals one long run") {
  Rng rng(13);
  const Tensor<double> x = random_normal<double>({7, 2, 3}, 0.0, 1.0, rng);
  for_each_layer(3, 4, {.layers = 2}, rng, [&](const auto& layer) {
    const auto whole = layer(Var<double>(x));
    const auto head = layer(slice(Var<double>(x), 0, {0, 3}));
    const auto tail = layer(slice(Var<double>(x), 0, {3, 7}), {.states = head.states});
    const Tensor<double> want = slice(whole.output, 0, {3, 7}).value();
    for (std::size_t i = 0; i < want.size(); ++i)
      CHECK(tail.output.data()[i] == Approx(want.data()[i]).margin(1e-14));
  });
}

TEST_CASE("second derivatives exist through every layer, also the fused ones") {
  // A Hessian-vector product by differentiating twice, against finite differences of the gradient.
  Rng rng(14);
  const Tensor<double> x = random_normal<double>({4, 3, 2}, 0.0, 1.0, rng);
  const auto check = [&](const auto& layer) {
    const auto list = parameters(layer);
    std::vector<Var<double>> direction;
    for (const auto& p : list) direction.emplace_back(random_normal<double>(p.shape(), 0.0, 1.0, rng));
    const auto gradient = [&](bool create_graph) {
      const auto result = layer.with_all_states(Var<double>(x), {.lengths = {4, 2, 3}});
      Var<double> loss = sum(square(result.output));
      for (const auto& states : {result.states, result.all_states}) {
        for (const auto& state : states)
          for_each_in_state(state, [&](const auto& v) { loss = loss + sum(sin(v)); });
      }
      return gradients(std::vector<Var<double>>{loss}, list, {}, create_graph);
    };
    std::vector<Tensor<double>> hessian_vector;
    {
      Tape tape;
      const auto g = gradient(true);
      Var<double> dot = sum(g[0] * direction[0]);
      for (std::size_t i = 1; i < g.size(); ++i) dot = dot + sum(g[i] * direction[i]);
      for (const auto& h : gradients(std::vector<Var<double>>{dot}, list))
        hessian_vector.push_back(h.value());
    }
    const auto shifted = [&](double by) {
      for (std::size_t i = 0; i < list.size(); ++i) {
        Var<double> p = list[i];
        p.mutable_value() += by * direction[i].value();
      }
      Tape tape;
      std::vector<Tensor<double>> result;
      for (const auto& g : gradient(false)) result.push_back(g.value());
      return result;
    };
    // Two steps and Richardson's extrapolation: layer norm bends too much for one.
    const double h = 1e-5;
    const auto above = shifted(h), nearer_above = shifted(-h / 2.0), nearer_below = shifted(-h),
               below = shifted(-h / 2.0);
    shifted(h);
    for (std::size_t i = 0; i < list.size(); ++i) {
      for (std::size_t j = 0; j < hessian_vector[i].size(); ++j) {
        const double coarse = (above[i].data()[j] - below[i].data()[j]) / (2.0 * h);
        const double fine = (nearer_above[i].data()[j] - nearer_below[i].data()[j]) / h;
        const double numeric = (4.0 * fine - coarse) / 3.0;
        CHECK(hessian_vector[i].data()[j] == Approx(numeric).epsilon(1e-6).margin(1e-7));
      }
    }
  };
  const RecurrentOptions both{.bidirectional = true};
  for_each_layer(2, 4, both, rng, [&](const auto& layer) {
    REQUIRE(layer.path() == Path::fused);
    check(layer);
  });
  check(Lstm<double>({.input = 2, .hidden = 4, .peepholes = true, .layer_norm = true}, both, rng));
  check(Lstm<double>({.input = 2, .hidden = 4, .coupled = true}, {.learn_initial_states = true}, rng));
  check(Recurrent<test::MinimalGatedUnit<double>>({.input = 2, .hidden = 4}, both, rng));
}

TEST_CASE("a fused layer whose input depends on its own weights has the right second derivatives") {
  // The way back is recorded through the layer alone, not through what its input was computed from.
  Rng rng(18);
  const Tensor<double> x0 = random_normal<double>({3, 2, 2}, 0.0, 1.0, rng);
  const auto check = [&](const auto& layer) {
    const auto list = parameters(layer);
    Tape tape;
    const Var<double> x = Var<double>(x0) * sum(square(list[0]));
    const std::vector<Var<double>> loss{sum(square(layer(x).output))};
    const auto plain = gradients(loss, list), recorded = gradients(loss, list, {}, true);
    for (std::size_t i = 0; i < list.size(); ++i) {
      for (std::size_t j = 0; j < list[i].size(); ++j)
        CHECK(recorded[i].data()[j] == Approx(plain[i].data()[j]).epsilon(1e-11).margin(1e-12));
    }
  };
  check(Rnn<double>({.input = 2, .hidden = 3}, rng));
  check(Lstm<double>({.input = 2, .hidden = 3}, rng));
  check(Gru<double>({.input = 2, .hidden = 3}, rng));
}

TEST_CASE("verify reports where a kernel and the tape part") {
  // The report must fail when it should: an impossible tolerance, and then it names gate and element.
  Rng rng(15);
  const Lstm<double> lstm({.input = 2, .hidden = 3}, rng);
  const Tensor<double> x = random_normal<double>({3, 2, 2}, 0.0, 1.0, rng);
  const auto report = verify(lstm, x, {.numeric_tolerance = 1e-16});
  CHECK_FALSE(report);
  CHECK_THAT(report.message, Catch::Contains("DISAGREES") && Catch::Contains("central difference"));
}

TEST_CASE("a NaN inside a layer is reported with layer, parameter and time step") {
  using Catch::Contains;
  Rng rng(17);
  const Gru<double> gru({.input = 2, .hidden = 3}, rng);
  parameters(Encoder{gru});  // gives the parameters their dotted names
  Tensor<double> x = random_normal<double>({4, 2, 2}, 0.0, 1.0, rng);
  x(2, 1, 0) = std::nan("");
  {
    const DetectNonfinite detect;
    CHECK(gru.path() == Path::tape);
    CHECK_THROWS_WITH(gru(Var<double>(x)),
                      Contains("nan at") && Contains("encoder") && Contains("time step 2"));
  }
  CHECK_NOTHROW(gru(Var<double>(x)));
  x(2, 1, 0) = 0.0;
  Gru<double> broken = clone(gru);
  broken.cells()[0].weight_hh.mutable_value()(1, 1) = HUGE_VAL;
  const DetectNonfinite detect;
  CHECK_THROWS_WITH(broken(Var<double>(x)), Contains("encoder.weight_hh_l0") && Contains("time step 0"));
}
