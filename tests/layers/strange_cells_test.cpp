// Cells that break the rules: the right numbers on every path, or an error that says what is wrong.
#include <catch2/catch.hpp>

#include <cmath>
#include <functional>

#include "function_cell.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;
using Catch::Equals;

namespace {

Recurrent<FunctionCell> layer_of(const FunctionCell::Step& step, RecurrentOptions options = {},
                                 Index size = 3) {
  Rng rng(1);
  Recurrent<FunctionCell> layer({.input = size, .hidden = size}, std::move(options), rng);
  for (FunctionCell& cell : layer.cells()) cell.function = step;
  return layer;
}

V random_input(const Shape& shape) {
  Rng rng(2);
  return V(random_normal<double>(shape, 0.0, 1.0, rng));
}

// The output, then the gradient of its squares for the first weight.
std::pair<Tensor<double>, Tensor<double>> trained(const Recurrent<FunctionCell>& layer, const V& x) {
  Tape tape;
  const V y = layer(x).output;
  tape.backward(sum(square(y)));
  return {y.value(), layer.cells()[0].bias.grad()};
}

void check_same(const std::pair<Tensor<double>, Tensor<double>>& a,
                const std::pair<Tensor<double>, Tensor<double>>& b) {
  CHECK((a.first == b.first));
  REQUIRE(a.second.size() == b.second.size());
  for (std::size_t k = 0; k < a.second.size(); ++k)
    CHECK(a.second.data()[k] == Approx(b.second.data()[k]).epsilon(1e-12));
}

// A state with a Var of another form: `extra` axes behind the batch, or in its place.
struct Matrices : MoveOnly {
  static constexpr const char* kName = "Matrices";
  using Scalar = double;
  struct State {
    using Scalar = double;
    V h, m;
    static void each(auto& self, auto&& visit) {
      visit("h", self.h);
      visit("m", self.m);
    }
  };
  CellSizes options;
  V weight;
  std::function<Shape(std::size_t)> form;

  Matrices() = default;
  Matrices(CellSizes sizes, Rng& rng)
      : options(sizes), weight(parameter(random_normal<double>({3}, 0.0, 0.5, rng), "weight")) {}
  State zero_state(std::size_t batch) const { return {V::zeros({batch, 3}), V(ones<double>(form(batch)))}; }
  State step(const V& x, const State& s) const { return {tanh(x + s.h * weight), s.m * 0.5 + sum(weight)}; }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight", self.weight);
    visit("form", self.form);
  }
};

Recurrent<Matrices> matrices(const std::function<Shape(std::size_t)>& form, RecurrentOptions options = {}) {
  Rng rng(1);
  Recurrent<Matrices> layer({.input = 3, .hidden = 3}, std::move(options), rng);
  for (Matrices& cell : layer.cells()) cell.form = form;
  return layer;
}

// Visits everything but h.
struct Headless : MoveOnly {
  using Scalar = double;
  struct State {
    using Scalar = double;
    V h, c;
    static void each(auto& self, auto&& visit) { visit("c", self.c); }
  };
  CellSizes options;
  Headless() = default;
  Headless(CellSizes sizes, Rng&) : options(sizes) {}
  State step(const V& x, const State& s) const { return {x * 2.0, x + s.c}; }
  static void each(auto& self, auto&& visit) { visit("options", self.options); }
};

}  // namespace

TEST_CASE("set_training reaches a cell's own flag") {
  auto layer = layer_of([](const FunctionCell& c, const V& x,
                           const V& h) { return tanh(x + h * c.bias) * (c.training ? 2.0 : 1.0); },
                        {.layers = 2, .bidirectional = false});
  const V x = random_input({6, 2, 3});
  auto stream = freeze(layer, {.batch = 2});
  const Tensor<double> training = layer(x).output.value();
  set_training(layer, false);
  for (const FunctionCell& cell : layer.cells()) CHECK_FALSE(cell.training);
  const Tensor<double> evaluated = layer(x).output.value();
  CHECK_FALSE((training == evaluated));
  for (std::size_t t = 0; t < 6; ++t) {
    const auto y = stream.step({x.data() + t * 6, 6});
    for (std::size_t k = 0; k < 6; ++k) CHECK(y[k] == Approx(evaluated.data()[t * 6 + k]).margin(1e-13));
  }
  set_training(layer, true);
  CHECK(layer.cells()[1].training);
}

TEST_CASE("checkpoints put numbers that each visits back, and refuse what it does not visit") {
  const auto factor = [](Index count) { return 1.0 + 0.5 * static_cast<double>(count % 2); };
  const FunctionCell::Step counts = [=](const FunctionCell& c, const V& in, const V& h) {
    return tanh(in + h * c.bias) * factor(++c.count);
  };
  const V x = random_input({7, 2, 3});
  for (const Index every : {1, 2, 3, 6}) {
    const auto whole = layer_of(counts), cut = layer_of(counts, {.checkpoint_every = every});
    check_same(trained(cut, x), trained(whole, x));
    CHECK(cut.cells()[0].count == 7);
  }
  const FunctionCell::Step counts_unseen = [=](const FunctionCell& c, const V& in, const V& h) {
    return tanh(in + h * c.bias) * factor(++c.hidden);
  };
  const FunctionCell::Step draws = [](const FunctionCell& c, const V& in, const V& h) {
    return tanh(in + h * c.bias) * c.own.uniform();
  };
  for (const FunctionCell::Step& step : {counts_unseen, draws}) {
    for (const RecurrentOptions& options :
         {RecurrentOptions{.checkpoint_every = 2}, RecurrentOptions{.checkpoint_bytes = 100}}) {
      Tape tape;
      CHECK_THROWS_WITH(
          layer_of(step, options)(x),
          Contains("[FunctionCell.forward] checkpoints: expected steps that give the same output"));
    }
    // Nobody asked for checkpoints: everything is kept.
    const V many = random_input({1501, 16, 64});
    check_same(trained(layer_of(step, {}, 64), many),
               trained(layer_of(step, {.checkpoint_automatically = false}, 64), many));
  }
}

TEST_CASE("with checkpoints, too, what a step reads may not change before the backward pass") {
  V outside(full<double>({3}, 0.5));
  double number = 1.0;
  const V x = random_input({6, 2, 3});
  for (const bool tensor : {true, false}) {
    const auto layer = layer_of(
        [&](const FunctionCell& c, const V& in, const V& h) {
          const V y = tanh(in + h * c.bias);
          return tensor ? y * outside : y * number;
        },
        {.checkpoint_every = 2});
    const auto run = [&](bool change) {
      Tape tape;
      const V loss = sum(square(layer(x).output));
      if (change) outside.mutable_value()(0) += 1.0, number += 1.0;
      tape.backward(loss);
    };
    run(false);
    CHECK_THROWS_AS(run(true), TapeError);
  }
}

TEST_CASE("a kernel runs no cell that it does not support, whichever of the layers it is") {
  Rng rng(3);
  Lstm<double> peepholes({.input = 4, .hidden = 4, .peepholes = true}, rng);
  Lstm<double> two({.input = 3, .hidden = 4}, {.layers = 2}, rng);
  two.cells()[1] = std::move(peepholes.cells()[0]);
  CHECK(two.fallback_reason() != nullptr);
  const V x = random_input({5, 2, 3});
  const Tensor<double> y = two(x).output.value();
  two.set_path(Path::tape);
  const Tensor<double> want = two(x).output.value();
  for (std::size_t k = 0; k < y.size(); ++k) CHECK(y.data()[k] == Approx(want.data()[k]).margin(1e-13));
  CHECK_THROWS_AS(two.set_path(Path::fused), ArgumentError);
}

TEST_CASE("cells of other sizes are refused on every path") {
  Rng rng(4);
  const V x = random_input({5, 2, 3});
  for (const Path path : {Path::automatic, Path::compiled, Path::tape}) {
    Lstm<double> small({.input = 3, .hidden = 4}, rng),
        two({.input = 3, .hidden = 40}, {.layers = 2, .path = path}, rng);
    two.cells()[0] = std::move(small.cells()[0]);
    CHECK_THROWS_WITH(two(x), Contains("cells()[1]: expected input 4 for the cells around it, got 40"));
    Gru<double> narrow({.input = 3, .hidden = 2}, rng),
        both({.input = 3, .hidden = 4}, {.bidirectional = true, .path = path}, rng);
    both.cells()[1] = std::move(narrow.cells()[0]);
    CHECK_THROWS_WITH(both(x), Contains("cells()[1]: expected output_size 4 for the cells around it, got 2"));
  }
}

TEST_CASE("a state that is no matrix runs on the tape alone") {
  using Form = std::function<Shape(std::size_t)>;
  const V x = random_input({6, 2, 3});
  for (const Form& form : {Form([](std::size_t batch) {
                             return Shape{batch, 2, 3};
                           }),
                           Form([](std::size_t batch) { return Shape{batch}; })}) {
    const auto layer = matrices(form);
    CHECK(layer.why_not_compiled() == "a state that is not (B,W)");
    Tape tape;
    const auto trace = layer.with_all_states(x);
    CHECK(trace.states[0].m.shape() == form(2));
    Shape all = form(2);
    all.insert(all.begin(), 6);
    CHECK(trace.all_states[0].m.shape() == all);
    const auto more = layer(x, {.states = trace.states, .lengths = {6, 3}});
    CHECK(more.states[0].m.shape() == form(2));
    tape.backward(sum(more.states[0].m) + sum(more.output));
    CHECK(verify(layer, x.value()).ok);
    const auto cut = matrices(form, {.checkpoint_every = 2});
    CHECK_THROWS_WITH(
        cut(x),
        Equals("[Matrices.forward] checkpoints: expected a state of Vars (B,W), got another form for m"));
    CHECK_THROWS_WITH(freeze(layer), Contains("a state that is not (B,W)"));
    CHECK_THROWS_WITH(matrices(form, {.zoneout_cell = 0.5})(x),
                      Contains("zoneout: expected a state of Vars (B,W), got another form for m"));
  }
  CHECK_THROWS_WITH(matrices([](std::size_t) { return Shape{}; })(x),
                    Equals("[Matrices.forward] zero_state() m: expected (2,..) (batch, ..), got ()"));
  CHECK_THROWS_WITH(matrices([](std::size_t) {
                      return Shape{1, 3};
                    })(x),
                    Equals("[Matrices.forward] zero_state() m: expected (2,..) (batch, ..), got (1,3)"));
}

TEST_CASE("a step that changes the form of the state is refused on every path") {
  const FunctionCell::Step steps[] = {
      [](const FunctionCell& c, const V& x, const V& h) { return mean(tanh(x * c.bias + h), {0}, true); },
      [](const FunctionCell& c, const V&, const V&) { return tanh(c.bias); },
      [](const FunctionCell& c, const V& x, const V& h) { return sum(x * c.bias + h); },
      [](const FunctionCell& c, const V& x, const V& h) {
        return concat({x * c.bias, h}, 1);
      },
      [](const FunctionCell&, const V&, const V&) { return V(); }};
  for (const std::size_t batch : {2U, 3U}) {
    const V x = random_input({5, batch, 3});
    const Tape tape;
    for (const FunctionCell::Step& step : steps) {
      for (const Index every : {0, 2, 3, 4}) {
        for (const bool both : {false, true}) {
          const RecurrentOptions options{.layers = 2, .bidirectional = both, .checkpoint_every = every};
          CHECK_THROWS_WITH(layer_of(step, options)(x),
                            Contains("[FunctionCell.step] h after the step: expected ("));
          CHECK_THROWS_WITH(
              layer_of(step, options)(x, {.states = {}, .lengths = std::vector<Index>(batch, 3)}),
              Contains("after the step"));
        }
      }
    }
    // A batch of one hides the first.
    CHECK_THROWS_WITH(layer_of(steps[1], {.checkpoint_every = 3})(random_input({5, 1, 3})),
                      Contains("expected (1,3) as before it, got (3)"));
  }
}

TEST_CASE("a trace leaves the members of a cell alone that nobody visits") {
  const V x = random_input({6, 2, 3});
  const FunctionCell::Step lazy = [](const FunctionCell& c, const V& in, const V& h) {
    if (!c.kept.defined()) c.kept = softplus(c.bias);
    return tanh(in + h * c.kept);
  };
  CHECK(layer_of(lazy).why_not_compiled() == "step() changes a member");
  check_same(trained(layer_of(lazy), x), trained(layer_of(lazy, {.path = Path::tape}), x));
  const FunctionCell::Step counts = [](const FunctionCell& c, const V& in, const V& h) {
    return tanh(in + h * c.bias) * static_cast<double>(++c.hidden);
  };
  const auto layer = layer_of(counts);
  CHECK(layer.path() == Path::tape);
  layer.extra_repr();
  CHECK(layer.cells()[0].hidden == 0);
  check_same(trained(layer, x), trained(layer_of(counts, {.path = Path::tape}), x));
}

TEST_CASE("a state's each has to visit h") {
  Rng rng(1);
  const Recurrent<Headless> layer({.input = 3, .hidden = 3}, rng);
  CHECK_THROWS_WITH(layer(random_input({5, 2, 3})),
                    Contains("State::each: expected it to visit the member h"));
}
