// Steps at which a sequence, or every one of a batch, has ended: kernels leave them alone.
#include <catch2/catch.hpp>
#include <string>

#include "layers/kernels/pass.hpp"
#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"

using namespace unroll;

namespace {

using bptt::BatchLayout;

constexpr std::size_t kSteps = 4, kInput = 3;
constexpr double kUntouched = 7.0;

// A pass that has room for all steps runs so many of them, as with a batch of one that ends there: whether it
// has written behind them, into one of its results (T,..).
template <class S>
bool writes_behind(bptt::Forward<S>& pass, const bptt::PassResult<S>& f, std::size_t length, bool reverse,
                   const Tensor<S>& x) {
  const std::initializer_list<Var<S>> results{f.output, f.cell, f.gates, f.candidate, f.tanh_cell};
  for (const Var<S>& var : results) {
    if (var.defined()) std::fill_n(var.raw(), var.size(), S(kUntouched));
  }
  pass.run(bptt::TimeChunk(BatchLayout::ragged(kSteps, {length}, reverse)), x.data());
  for (const Var<S>& var : results) {
    if (!var.defined()) continue;
    const std::size_t row = var.size() / kSteps;
    for (std::size_t i = length * row; i < var.size(); ++i) {
      if (var.data()[i] != S(kUntouched)) return true;
    }
  }
  return false;
}

template <class S, class F>
void for_each_size(F&& f) {
  for (std::size_t hidden = 1; hidden <= 17; ++hidden) {
    for (std::size_t length = 0; length < kSteps; ++length) {
      for (const bool reverse : {false, true}) f(hidden, length, reverse);
    }
  }
}

// The numbers of a kernel's operands do not matter here.
template <class S>
Tensor<S> some(const Shape& shape) {
  Rng rng(41);
  return random_normal<S>(shape, 0.0, 0.5, rng);
}

}  // namespace

TEMPLATE_TEST_CASE("a kernel writes nothing behind the end of a sequence that is alone", "", float, double) {
  using S = TestType;
  const Tensor<S> x = some<S>({kSteps, 1, kInput});
  const BatchLayout all = BatchLayout::dense(kSteps, 1, false);
  for_each_size<S>([&](std::size_t H, std::size_t length, bool reverse) {
    INFO("hidden " << H << ", length " << length << (reverse ? ", reverse" : ""));
    const auto inputs = [&](std::size_t gates, std::size_t states, bool projects) {
      VarList<S> list{Var<S>(x)};
      for (std::size_t k = 0; k < states; ++k) list.emplace_back(some<S>({1, H}));
      list.emplace_back(some<S>({gates * H, kInput}));
      list.emplace_back(some<S>({gates * H, H}));
      list.emplace_back(some<S>({gates * H}));
      list.emplace_back();
      list.push_back(projects ? Var<S>(some<S>({H, H})) : Var<S>());
      return list;
    };
    const auto check = [&](const auto& cell, bool projects) {
      const auto kernel = cell.kernel();
      const VarList<S> list = inputs(kernel.unit->layout.gates, kernel.unit->layout.states(), projects);
      bptt::PassResult<S> result;
      bptt::Forward<S> pass(kernel, x.shape(), list, all, true, result);
      CHECK_FALSE(writes_behind(pass, result, length, reverse, x));
    };
    check(RnnCell<S>(), false);
    check(LstmCell<S>(), false);
    check(LstmCell<S>(), true);
    GruCell<S> gru;
    check(gru, false);
    gru.options.reset = GruReset::before;
    check(gru, false);
    check(MguCell<S>(), false);
  });
}

namespace {

// Kernel, tape and derivatives of a batch of one that ends before its padding does, or does not begin.
template <class Layer>
void check_alone(typename Layer::CellOptions cell, bool covered, Index smallest = 1) {
  Rng rng(42);
  cell.input = 2;
  std::uint64_t seed = 1;
  for (const Index hidden : {1, 2, 3, 5, 8}) {
    if (hidden < smallest) continue;
    cell.hidden = hidden;
    for (const std::size_t steps : {std::size_t{1}, kSteps}) {
      for (Index length = 0; length <= static_cast<Index>(steps); length += steps == 1 ? 1 : 2) {
        for (const bool bidirectional : {false, true}) {
          Layer layer(cell, {.layers = bidirectional ? 1 : 2, .bidirectional = bidirectional}, rng);
          CHECK((layer.path() == Path::fused) == covered);
          const auto x = random_normal<double>({steps, 1, 2}, 0.0, 1.0, rng);
          const auto report = verify(layer, x, {.seed = seed++, .lengths = {length}});
          INFO(layer.extra_repr() << ", T = " << steps << ", length " << length << "\n" << report.message);
          CHECK(report);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("what a batch gives in which nobody has a step is on the tape, on every path") {
  Rng rng(43);
  const Var<double> x(random_normal<double>({3, 2, 2}, 0.0, 1.0, rng));
  const auto check = [&](const auto& layer) {
    INFO(layer.extra_repr());
    Tape tape;
    const auto trace = layer.with_all_states(x, {.states = {}, .lengths = {0, 0}});
    CHECK(trace.output.value() == zeros<double>({3, 2, layer.output_size()}));
    tape.backward(sum(square(trace.output)) + sum(square(hidden_of<double>(trace.all_states[0]))));
    for (const auto& p : parameters(layer)) {
      REQUIRE(p.has_grad());
      CHECK(p.grad() == zeros<double>(p.shape()));
    }
    tape.backward(sum(square(layer(x, {.states = {}, .lengths = {0, 0}}).output)));
  };
  for (const Path path : {Path::automatic, Path::tape}) {
    const RecurrentOptions options{.layers = 2, .bidirectional = true, .path = path};
    check(Rnn<double>({.input = 2, .hidden = 3}, options, rng));
    check(Lstm<double>({.input = 2, .hidden = 3, .projection = 2}, options, rng));
    check(Lstm<double>({.input = 2, .hidden = 3, .peepholes = true, .layer_norm = true}, options, rng));
    check(Gru<double>({.input = 2, .hidden = 3, .reset = GruReset::before}, options, rng));
  }
  const RecurrentOptions drawn{.recurrent_dropout = 0.3, .zoneout_hidden = 0.2, .checkpoint_every = 2};
  check(Gru<double>({.input = 2, .hidden = 3}, drawn, rng));
  check(Recurrent<test::MinimalGatedUnit<double>>({.input = 2, .hidden = 3}, rng));
}

TEST_CASE("a batch of one is right whatever its length is") {
  check_alone<Rnn<double>>({}, true);
  check_alone<Rnn<double>>({.activation = Activation::relu()}, true);
  check_alone<Lstm<double>>({}, true);
  check_alone<Lstm<double>>({.projection = 2}, true, 3);
  check_alone<Lstm<double>>({.peepholes = true}, false);
  check_alone<Gru<double>>({}, true);
  check_alone<Gru<double>>({.reset = GruReset::before}, true);
  check_alone<Mgu<double>>({}, true);
}
