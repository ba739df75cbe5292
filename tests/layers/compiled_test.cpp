// Compiled steps compute what the tape computes.
#include "function_cell.hpp"
#include "minimal_gated_unit.hpp"
#include "optim/optim.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {

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

void compare_any(const FunctionCell::Step& step) {
  compare(any(step));
  compare(any([&](const FunctionCell& c, const V& x, const V& h) { return step(c, x, h) * 0.9; },
              {.bidirectional = true}));
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
  compare_any([](const FunctionCell&, const V&, const V& h) { return h; });                     // nothing
  compare_any([](const FunctionCell& c, const V& x, const V&) { return matmul(x, c.input); });  // no state
  compare_any(
      [](const FunctionCell&, const V& x, const V& h) { return h * sum(x, {1}, true); });  // no parameter
  compare_any([](const FunctionCell& c, const V& x, const V& h) {                          // twice each
    const V a = matmul(h, c.state), b = matmul(h * h, c.state), d = matmul(x * x, c.input);
    return sin(a + b * c.row) + cos(d * c.row + matmul(x, c.input)) * h + c.bias * h;
  });
  compare_any([](const FunctionCell& c, const V& x, const V& h) {  // transposed, and along the columns
    const V m = matmul(h, c.state, {.transpose_b = true});
    return softplus(m - mean(m, {1}, true)) / (2.0 + square(matmul(x, c.input))) - relu(0.5 - h);
  });
  compare_any([](const FunctionCell& c, const V& x, const V& h) {  // shares of the units
    const V a = matmul(x, c.input) + matmul(h, c.state);
    return softmax(a, 1) * tanh(a) - 0.1 * log_softmax(a * c.row);
  });
  compare_any([](const FunctionCell& c, const V& x, const V& h) {  // of parameters alone
    const V sum_of_both = c.row + c.bias;
    return tanh(matmul(x, c.input) * exp(c.row) + matmul(h, c.state * 0.5) + sum_of_both * h + c.row);
  });
  compare_any([](const FunctionCell& c, const V& x, const V& h) {
    const auto parts = split(matmul(x, c.input), {1, 1, 3}, 1);
    return concat(std::vector<V>{parts[2], slice(h, 1, {0, 1}), parts[0] * 2.0 - 1.0}, 1) *
           slice(concat(std::vector<V>{h, x}, -1), 1, {2, 7});
  });
  compare_any([](const FunctionCell& c, const V& x, const V& h) {  // of other widths from the same column on
    const V a = slice(h, 1, {0, 1}), b = slice(h, 1, {0, 2}), d = slice(h, 1, {0, 4});
    return matmul(x, c.input) * a * mean(square(b), {1}, true) + concat(std::vector<V>{d, a}, 1) * c.row;
  });
}

TEST_CASE("nothing that a step depends on is out of date") {
  auto compiled = any([](const FunctionCell& c, const V& x, const V& h) {
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
  for (const Index width : {2, 4, 1}) {  // of a cut: the same instructions otherwise
    for (auto* layer : {&compiled, &tape})
      layer->cells()[0].function = [width](const FunctionCell& c, const V& x, const V& h) {
        return plain(c, x, h) * sum(slice(h, 1, {0, width}), {1}, true);
      };
    agree();
  }
  V constant(Tensor<double>({1, kHidden}, 2.0));
  for (auto* layer : {&compiled, &tape})
    layer->cells()[0].function = [&](const FunctionCell& c, const V& x, const V& h) {
      return plain(c, x, h) * constant;
    };
  agree();
  constant.mutable_value() *= 3.0;
  agree();
}

TEST_CASE("what a compiled step has used and has changed since is refused") {
  V constant(Tensor<double>({1, kHidden}, 2.0));
  auto layer = any([&](const FunctionCell& c, const V& x, const V& h) { return plain(c, x, h) * constant; },
                   {.path = Path::compiled});
  V x(ones<double>({kSteps, 2, kInput}));
  for (V* changed : {&constant, &layer.cells()[0].row, &x}) {
    Tape tape;
    const V loss = sum(layer(x).output);
    changed->mutable_value() *= 1.5;
    CHECK_THROWS_WITH(tape.backward(loss), Catch::Contains("was changed after this tape had used it"));
  }
  Tape tape;
  tape.backward(sum(layer(x).output));
  CHECK(layer.cells()[0].row.has_grad());
}

TEST_CASE("a member that is no parameter is a constant of the compiled step") {
  auto layer = any(plain);
  layer.cells()[0].row = layer.cells()[0].row.detach();
  layer.set_path(Path::tape);
  const auto want = layer(V(full<double>({kSteps, 2, kInput}, 0.3))).output;
  layer.set_path(Path::compiled);
  const Tape tape;
  CHECK(furthest({layer(V(full<double>({kSteps, 2, kInput}, 0.3))).output.value()}, {want.value()}) < 1e-13);
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
  auto layer = any([&](const FunctionCell& c, const V& x, const V& h) { return plain(c, x, h); },
                   {.path = Path::compiled});
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
  const auto step = detail::compile_step<double>(detail::CellOf(layer.cells()[0]), {}, kInput);
  REQUIRE(step.program != nullptr);
  const std::string text = to_string(*step.program);
  CHECK_THAT(text, Catch::StartsWith("forward, step by step:\n"
                                     "  %2 = concat(x0, state1)  (R,8) kept\n"
                                     "  %5 = linear(%2, external3, external4)  (R,5)\n"
                                     "  %6 = sigmoid(%5)  (R,5) kept\n"));
  CHECK_THAT(text, Catch::Contains("sums over all steps:\n"));
}
