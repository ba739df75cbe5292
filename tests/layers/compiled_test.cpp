// Compiled steps: they compute what the tape computes, and what cannot be compiled runs on the tape.
#include <catch2/catch.hpp>

#include <cmath>
#include <functional>
#include <random>

#include "framework/errors.hpp"
#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"
#include "optim/optim.hpp"

using namespace unroll;

namespace {

using V = Var<double>;
constexpr std::size_t kSteps = 6, kInput = 3, kHidden = 5;

// A cell from one function of its weights (I,H), (H,H), (1,H) and (H), for what a test tries.
struct AnyCell : MoveOnly {
  static constexpr const char* kName = "AnyCell";
  using Scalar = double;
  using Step = std::function<V(const AnyCell&, const V& x, const V& h)>;
  CellSizes options;
  V input, state, row, bias;
  double factor = 0.7;
  bool training = true;
  Step function;

  AnyCell() = default;
  AnyCell(CellSizes sizes, Rng& rng) : options(sizes) {
    const auto i = static_cast<std::size_t>(sizes.input), h = static_cast<std::size_t>(sizes.hidden);
    input = parameter(random_normal<double>({i, h}, 0.0, 0.5, rng), "input");
    state = parameter(random_normal<double>({h, h}, 0.0, 0.5, rng), "state");
    row = parameter(random_normal<double>({1, h}, 0.0, 0.5, rng), "row");
    bias = parameter(random_normal<double>({h}, 0.0, 0.5, rng), "bias");
  }
  V step(const V& x, const V& h) const { return function(*this, x, h); }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("input", self.input);
    visit("state", self.state);
    visit("row", self.row);
    visit("bias", self.bias);
    visit("factor", self.factor);
    visit("training", self.training);
    visit("function", self.function);
  }
};

// Two members of different widths; c is only passed on by half.
struct PairState {
  using Scalar = double;
  V h, c;
  static void each(auto& self, auto&& visit) {
    visit("h", self.h);
    visit("c", self.c);
  }
};
struct PairCell : MoveOnly {
  using Scalar = double;
  using State = PairState;
  CellSizes options;
  Linear<double> from_input, from_state;
  LayerNorm<double> norm;

  PairCell() = default;
  PairCell(CellSizes sizes, Rng& rng)
      : options(sizes),
        from_input(sizes.input, 2 * sizes.hidden, rng),
        from_state(sizes.hidden + 2, 2 * sizes.hidden, rng),
        norm(2 * sizes.hidden) {}
  State zero_state(std::size_t batch) const {
    return {V::zeros({batch, static_cast<std::size_t>(options.hidden)}), V::zeros({batch, 2})};
  }
  State step(const V& x, const State& s) const {
    const V all = norm(from_input(x) + from_state(concat(std::vector<V>{s.h, s.c}, 1)));
    const auto parts = chunk(all, 2, 1);
    const V h = sigmoid(parts[0]) * s.h + maximum(parts[1], 0.1 * parts[0]);
    return {h, slice(h, 1, {1, 3}) * 0.5 + square(s.c) / 3.0};
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("from_input", self.from_input);
    visit("from_state", self.from_state);
    visit("norm", self.norm);
  }
};

template <class Cell>
Recurrent<Cell> make(RecurrentOptions options = {}) {
  Rng rng(3);
  return Recurrent<Cell>({.input = kInput, .hidden = kHidden}, std::move(options), rng);
}

Recurrent<AnyCell> any(const AnyCell::Step& step, RecurrentOptions options = {}) {
  auto layer = make<AnyCell>(std::move(options));
  for (AnyCell& cell : layer.cells()) cell.function = step;
  return layer;
}

V plain(const AnyCell& c, const V& x, const V& h) {
  return tanh(matmul(x, c.input) + matmul(h, c.state) * c.row + c.bias);
}

// All outputs, then all gradients for random upstream gradients.
template <class Layer>
std::vector<Tensor<double>> results(const Layer& layer, std::size_t batch,
                                    const std::vector<Index>& lengths = {}, std::uint64_t seed = 4) {
  Rng rng(seed);
  const auto random = [&](const Shape& shape) { return random_normal<double>(shape, 0.0, 1.0, rng); };
  Tape tape;
  std::vector<V> inputs{parameter(random({kSteps, batch, kInput}))};
  using State = typename Layer::State;
  States<State> states;
  for (const auto& cell : layer.cells()) {
    states.push_back(map_state(zero_state(cell, batch), [&](const V& zero) {
      inputs.push_back(parameter(random(zero.shape())));
      return inputs.back();
    }));
  }
  for (const auto& p : parameters(layer)) inputs.push_back(p);
  const auto trace = layer.with_all_states(inputs[0], {.states = states, .lengths = lengths});
  std::vector<V> outputs{trace.output}, upstream;
  for (const auto* list : {&trace.states, &trace.all_states}) {
    for (const State& s : *list) for_each_in_state(s, [&](const V& var) { outputs.push_back(var); });
  }
  std::vector<Tensor<double>> all;
  for (const V& output : outputs) {
    all.push_back(output.value());
    upstream.emplace_back(random(output.shape()));
  }
  for (const V& g : gradients(outputs, inputs, upstream)) all.push_back(g.value());
  return all;
}

double furthest(const std::vector<Tensor<double>>& a, const std::vector<Tensor<double>>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    REQUIRE(a[k].shape() == b[k].shape());
    for (std::size_t i = 0; i < a[k].size(); ++i)
      worst = std::max(worst, std::abs(a[k].data()[i] - b[k].data()[i]) / (1.0 + std::abs(b[k].data()[i])));
  }
  return worst;
}

template <class Layer>
void compare(Layer layer) {
  for (const auto& [batch, lengths] : std::vector<std::pair<std::size_t, std::vector<Index>>>{
           {1, {}}, {1, {4}}, {1, {1}}, {3, {}}, {3, {6, 5, 4}}, {3, {0, 6, 2}}, {5, {1, 1, 1, 0, 2}}}) {
    INFO("batch " << batch << ", " << lengths.size() << " lengths");
    layer.set_path(Path::tape);
    const auto want = results(layer, batch, lengths);
    layer.set_path(Path::compiled);
    CHECK(layer.path() == Path::compiled);
    CHECK(furthest(results(layer, batch, lengths), want) < 1e-13);
  }
}

void compare_any(const AnyCell::Step& step) {
  compare(any(step));
  compare(any([&](const AnyCell& c, const V& x, const V& h) { return step(c, x, h) * 0.9; },
              {.bidirectional = true}));
}

std::string why_not(const AnyCell::Step& step) {
  const auto layer = any(step);
  const Tape tape;
  const std::string reason = layer.why_not_compiled();
  CHECK(layer.path() == (reason.empty() ? Path::compiled : Path::tape));
  return reason;
}

}  // namespace

TEST_CASE("a compiled step has the tape's values and gradients") {
  compare(make<test::MinimalGatedUnit<double>>({.layers = 2, .bidirectional = true}));
  compare(make<PairCell>({.bidirectional = true}));
  compare(make<PairCell>({.layers = 2, .checkpoint_every = 2}));
  compare(make<LstmCell<double>>({.layers = 2}));
}

TEST_CASE("whatever a step does with its rows, the compiled step does") {
  compare_any(plain);
  compare_any([](const AnyCell&, const V&, const V& h) { return h; });                        // nothing
  compare_any([](const AnyCell& c, const V& x, const V&) { return matmul(x, c.input); });     // no state
  compare_any([](const AnyCell&, const V& x, const V& h) { return h * sum(x, {1}, true); });  // no parameter
  compare_any([](const AnyCell& c, const V& x, const V& h) {                                  // twice each
    const V a = matmul(h, c.state), b = matmul(h * h, c.state), d = matmul(x * x, c.input);
    return sin(a + b * c.row) + cos(d * c.row + matmul(x, c.input)) * h + c.bias * h;
  });
  compare_any([](const AnyCell& c, const V& x, const V& h) {  // transposed, and along the columns
    const V m = matmul(h, c.state, {.transpose_b = true});
    return softplus(m - mean(m, {1}, true)) / (2.0 + square(matmul(x, c.input))) - relu(0.5 - h);
  });
  compare_any([](const AnyCell& c, const V& x, const V& h) {  // of parameters alone
    const V sum_of_both = c.row + c.bias;
    return tanh(matmul(x, c.input) * exp(c.row) + matmul(h, c.state * 0.5) + sum_of_both * h + c.row);
  });
  compare_any([](const AnyCell& c, const V& x, const V& h) {
    const auto parts = split(matmul(x, c.input), {1, 1, 3}, 1);
    return concat(std::vector<V>{parts[2], slice(h, 1, {0, 1}), parts[0] * 2.0 - 1.0}, 1) *
           slice(concat(std::vector<V>{h, x}, -1), 1, {2, 7});
  });
}

TEST_CASE("a step that cannot be compiled runs on the tape, and says why") {
  using Catch::Equals;
  CHECK_THAT(why_not([](const AnyCell& c, const V& x, const V& h) {
               return h.value()(0, 0) > 0.0 ? plain(c, x, h) : h;
             }),
             Equals("step() reads a value"));
  CHECK_THAT(why_not([](const AnyCell& c, const V& x, const V& h) {
               const V s = sum(h);
               return s.item() > 0.0 ? plain(c, x, h) : h;
             }),
             Equals("step() reads a value"));
  CHECK_THAT(why_not([](const AnyCell& c, const V& x, const V& h) { return cumsum(plain(c, x, h), 1); }),
             Equals("cumsum is no instruction of programs"));
  CHECK_THAT(why_not([](const AnyCell& c, const V& x, const V& h) {
               return logsumexp(h, {1}, true) * plain(c, x, h);
             }),
             Equals("logsumexp is no instruction of programs"));
  CHECK_THAT(
      why_not([](const AnyCell& c, const V& x, const V& h) { return plain(c, x, h) - mean(h, {0}, true); }),
      Equals("step() is not the same for every batch size and call"));
  CHECK_THAT(
      why_not([](const AnyCell& c, const V& x, const V& h) { return plain(c, x, h) - sum(h, {0}, true); }),
      Equals("sub: of a sum over the rows"));
  CHECK_THAT(why_not([](const AnyCell& c, const V& x, const V& h) {
               return plain(c, x, h) * (1.0 / static_cast<double>(x.shape(0)));
             }),
             Equals("step() is not the same for every batch size and call"));
  CHECK_THAT(why_not([](const AnyCell& c, const V& x, const V& h) {
               return plain(c, x, h) + V(ones<double>(h.shape()));
             }),
             Equals("step() is not the same for every batch size and call"));
  Rng rng(5);
  CHECK_THAT(why_not([&](const AnyCell& c, const V& x, const V& h) {
               return plain(c, x, h) * V(random_normal<double>({1, kHidden}, 1.0, 0.1, rng));
             }),
             Equals("step() uses a constant that differs from call to call (random numbers?)"));
  CHECK_THAT(
      why_not([&](const AnyCell& c, const V& x, const V& h) { return dropout(plain(c, x, h), 0.5, rng); }),
      Equals("dropout is no instruction of programs"));
  const V outside = parameter(Tensor<double>({1, kHidden}, 0.5), "outside");
  CHECK_THAT(why_not([&](const AnyCell& c, const V& x, const V& h) { return plain(c, x, h) * outside; }),
             Equals("step() uses a parameter 'outside' of shape (1,5)"));
  CHECK_THAT(why_not([&](const AnyCell& c, const V& x, const V& h) {
               Var<float> other(Tensor<float>({1, kHidden}, 0.5F));
               return plain(c, x, h) * V(convert_tensor<double>((other * 2.0).value()));
             }),
             Equals(""));
}

TEST_CASE("a value that the tape has computed before the layer gets its gradient") {
  const V outside = parameter(Tensor<double>({1, kHidden}, 0.5));
  const auto gradient = [&](Path path) {
    Tape tape;
    const V made = outside * 2.0;
    const auto layer =
        any([&](const AnyCell& c, const V& x, const V& h) { return plain(c, x, h) * made; }, {.path = path});
    const auto y = layer(V(ones<double>({kSteps, 2, kInput})));
    return gradients(std::vector<V>{sum(y.output)}, {outside})[0].value();
  };
  CHECK((gradient(Path::automatic) == gradient(Path::tape)));
  CHECK(std::abs(gradient(Path::tape).data()[0]) > 1e-3);
}

TEST_CASE("a compiled path that is asked for and cannot be taken is an error") {
  auto layer = any([](const AnyCell& c, const V& x, const V& h) { return cumsum(plain(c, x, h), 1); },
                   {.path = Path::compiled});
  CHECK_THROWS_WITH(
      layer(V(ones<double>({kSteps, 2, kInput}))),
      Catch::Contains("path: expected one that supports the options, got compiled, which does not: "
                      "cumsum is no instruction of programs (use Path::automatic)"));
  CHECK_THAT(summary(any(plain)), Catch::Contains("path compiled (a cell without a hand-derived kernel)"));
  layer.set_path(Path::automatic);
  CHECK_THAT(summary(layer), Catch::Contains("path tape (a cell without a hand-derived kernel; cumsum is no "
                                             "instruction of programs)"));
}

TEST_CASE("nothing that a step depends on is out of date") {
  auto compiled = any([](const AnyCell& c, const V& x, const V& h) {
    return (c.training ? plain(c, x, h) : sigmoid(plain(c, x, h))) * c.factor;
  });
  auto tape = share(compiled);
  tape.set_path(Path::tape);
  compiled.set_path(Path::compiled);
  const auto agree = [&] {
    for (const std::size_t batch : {2U, 4U, 1U})
      CHECK(furthest(results(compiled, batch), results(tape, batch)) < 1e-13);
  };
  agree();
  for (auto* layer : {&compiled, &tape}) layer->cells()[0].factor = 0.3;
  agree();
  for (auto* layer : {&compiled, &tape}) layer->cells()[0].training = false;
  agree();
  compiled.cells()[0].state.mutable_value() *= 1.5;  // shared
  agree();
  Sgd<double> sgd(parameters(compiled), {.lr = 0.1});
  {
    Tape record;
    record.backward(mean(square(compiled(V(ones<double>({kSteps, 4, kInput}))).output)));
    sgd.step();
  }
  agree();
  for (auto* layer : {&compiled, &tape})
    layer->cells()[0].row = parameter(Tensor<double>({1, kHidden}, 0.25));
  agree();
  V constant(Tensor<double>({1, kHidden}, 2.0));
  for (auto* layer : {&compiled, &tape})
    layer->cells()[0].function = [&](const AnyCell& c, const V& x, const V& h) {
      return plain(c, x, h) * constant;
    };
  agree();
  constant.mutable_value() *= 3.0;
  agree();
}

TEST_CASE("a compiled step has second derivatives") {
  const auto second = [](Path path) {
    auto layer = any(plain, {.path = path});
    Rng rng(6);
    const V x = parameter(random_normal<double>({kSteps, 2, kInput}, 0.0, 1.0, rng));
    std::vector<V> inputs = parameters(layer);
    inputs.push_back(x);
    Tape tape;
    const auto first = gradients(std::vector<V>{sum(square(layer(x).output))}, inputs, {}, true);
    V dot = sum(square(first[0]));
    for (std::size_t i = 1; i < first.size(); ++i) dot = dot + sum(square(first[i]));
    std::vector<Tensor<double>> result;
    for (const V& g : gradients(std::vector<V>{dot}, inputs)) result.push_back(g.value());
    return result;
  };
  CHECK(furthest(second(Path::compiled), second(Path::tape)) < 1e-11);
}

TEST_CASE("a trace draws no random numbers, calls no hook and leaves the tape alone") {
  Rng rng(7);
  auto layer =
      any([&](const AnyCell& c, const V& x, const V& h) { return plain(c, x, h); }, {.path = Path::compiled});
  int calls = 0;
  layer.cells()[0].state.register_hook([&](const V&) {
    ++calls;
    return V();
  });
  Tape tape;
  const auto y = layer(V(ones<double>({kSteps, 2, kInput})));
  CHECK(tape.size() < 12);
  tape.backward(sum(y.output));
  CHECK(calls == 1);
}

TEST_CASE("what a step throws passes through, and the next call is right") {
  int count = 0;
  auto layer = any([&](const AnyCell& c, const V& x, const V& h) {
    if (++count == 1) throw ArgumentError("stop");
    return plain(c, x, h);
  });
  CHECK_THROWS_WITH(layer(V(ones<double>({kSteps, 2, kInput}))), "stop");
  const auto tape = any(plain, {.path = Path::tape});
  CHECK(furthest(results(layer, 2), results(tape, 2)) < 1e-13);
}

TEST_CASE("values in inference are those in training") {
  const auto layer = make<PairCell>({.path = Path::compiled});
  Rng rng(8);
  const V x(random_normal<double>({kSteps, 4, kInput}, 0.0, 1.0, rng));
  const Tensor<double> plain_values = layer(x).output.value();
  Tape tape;
  CHECK((layer(x).output.value() == plain_values));
}

TEST_CASE("a program can be read") {
  auto layer = make<test::MinimalGatedUnit<double>>();
  const auto step = detail::compile_step(layer.cells()[0], kInput, zero_state(layer.cells()[0], 1));
  REQUIRE(step.program != nullptr);
  const std::string text = to_string(*step.program);
  CHECK_THAT(text, Catch::StartsWith("forward, step by step:\n"
                                     "  %2 = concat(x0, state1)  (R,8) kept\n"
                                     "  %5 = linear(%2, external3, external4)  (R,5)\n"
                                     "  %6 = sigmoid(%5)  (R,5) kept\n"));
  CHECK_THAT(text, Catch::Contains("sums over all steps:\n"));
}
