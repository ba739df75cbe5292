// Objects that were default-constructed or moved from: every member throws an unroll::Error or does nothing.
#include <catch2/catch.hpp>

#include "framework/errors.hpp"
#include "layers/layers.hpp"
#include "optim/optim.hpp"
#include "tests/layers/minimal_gated_unit.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

// Layer: the layer's type.
#define CHECK_EMPTY(...)         \
  CHECK_THROWS_WITH(__VA_ARGS__, \
                    Contains(std::string("[") + Layer::kName + ".") && Contains("got an empty one"))

template <class T>
T moved_from(T object) {
  [[maybe_unused]] const T gone = std::move(object);
  return object;
}

template <class Cell>
void check_recurrent(Recurrent<Cell> layer) {
  using Layer = Recurrent<Cell>;
  using S = typename Layer::Scalar;
  const Var<S> x(ones<S>({4, 1, 2})), step(ones<S>({1, 2}));
  CAPTURE(Layer::kName);
  const auto check = [&] {
    CHECK_EMPTY(layer(x));
    CHECK_EMPTY(layer(Var<S>(ones<S>({4, 1, 0}))));
    CHECK_EMPTY(layer(Var<S>()));
    CHECK_EMPTY(layer.with_all_states(x));
    CHECK_EMPTY(layer.step(step));
    CHECK_EMPTY(layer.extra_repr());
    CHECK_EMPTY(summary(layer));
    CHECK_EMPTY(layer.input_size());
    CHECK_EMPTY(layer.output_size());
    CHECK_EMPTY(verify(layer, ones<S>({4, 1, 2})));
    CHECK_THROWS_AS(verify(layer, Tensor<S>()), Error);
    CHECK_THROWS_AS(freeze(layer), Error);
    CHECK_THROWS_AS(freeze(layer, Linear<S>()), Error);
    CHECK_THROWS_AS(for_each_window(layer, x, 2, {}, [](auto&&...) {}), Error);
    CHECK(parameter_count(layer) == 0);
    CHECK(parameters(layer).empty());
    CHECK_NOTHROW(layer.path());
    CHECK_NOTHROW(layer.fallback_reason());
    CHECK_NOTHROW(layer.reseed(1));
    CHECK(layer.directions() == 1);
    CHECK_NOTHROW(layer.set_path(Path::tape));
    CHECK_EMPTY(clone(layer)(x));
    CHECK_EMPTY(share(layer)(x));
    CHECK_EMPTY(convert<double>(layer).extra_repr());
    CHECK_EMPTY(convert<float>(layer).extra_repr());
  };
  check();
  set_training(layer, false);  // walks over the members, which may make cells
  check();
}

template <class Cell>
void check_cell(const Cell& cell) {
  using S = scalar_t<Cell>;
  const Var<S> x(ones<S>({1, 2}));
  CHECK_THROWS_AS(cell.step(x, zero_state(cell, 1)), Error);
  CHECK_THROWS_AS(cell.step(x, state_t<Cell>()), Error);
  CHECK_NOTHROW(cell.gates());
  CHECK_NOTHROW(cell.unsupported_option());
  CHECK(parameter_count(cell) == 0);
}

template <class Cell>
void check_kind(const Recurrent<Cell>&) {
  Rng rng(1);
  check_recurrent(Recurrent<Cell>());
  check_recurrent(moved_from(Recurrent<Cell>({.input = 2, .hidden = 3}, rng)));
  check_recurrent(moved_from(Recurrent<Cell>({.input = 2, .hidden = 3}, {.layers = 3}, rng)));
}

template <class Layer, class Call>
void check_layer(const Layer& layer, Call call) {
  CHECK_EMPTY(call(layer));
  CHECK_EMPTY(layer.extra_repr());
  CHECK_EMPTY(summary(layer));
  CHECK(parameter_count(layer) == 0);
  CHECK(parameters(layer).empty());
  CHECK_EMPTY(call(clone(layer)));
  CHECK_EMPTY(convert<double>(layer).extra_repr());
}

template <class S>
void check_stream(Stream<S> stream) {
  const S x[1] = {1};
  CHECK(stream.step(x).empty());
  CHECK(stream.step(std::span<const S>()).empty());
  const std::int64_t id[1] = {0};
  CHECK(stream.step(id).empty());
  CHECK(stream.output("y").empty());
  CHECK_NOTHROW(stream.reset());
  CHECK(stream.batch() + stream.input_size() + stream.output_size() == 0);
  CHECK(stream.template states<Var<S>>().empty());
  CHECK_NOTHROW(stream.set_states(States<Var<S>>()));
  CHECK_THROWS_AS(stream.set_states(States<Var<S>>(1)), ShapeError);
  CHECK(stream.clone().step(x).empty());
}

template <class O>
void check_optimizer(O made) {
  [[maybe_unused]] const O gone = std::move(made);
  const auto moved = Contains("got one that was moved from");
  CHECK_THROWS_WITH(made.step(), moved);
  CHECK_THROWS_WITH(made.lr(), moved);
  CHECK_THROWS_WITH(made.set_lr(0.1), moved);
  CHECK_THROWS_WITH(made.set_lr(0.1, 0), moved);
  CHECK_THROWS_WITH(made.scale_lr(0.1), moved);
  CHECK_THROWS_WITH(made.options(), moved);
  CHECK_THROWS_WITH(made.set_options({}), moved);
  CHECK_THROWS_WITH(made.set_options({}, 0), moved);
  CHECK_THROWS_WITH(made.state(), moved);
  CHECK_THROWS_WITH(made.load_state({}), moved);
  CHECK_THROWS_WITH(made.parameters(0), moved);
  CHECK(made.parameters().empty());
  CHECK(made.group_count() == 0);
  CHECK_THROWS_AS(clip_grad_norm(made.parameters(), 1.0), TapeError);
}

template <class Schedule, class... K>
void check_schedules(const Schedule& schedule, const K&... more) {
  CHECK_THROWS_AS(schedule(0), ArgumentError);
  if constexpr (requires { schedule.momentum(0); }) {
    if constexpr (std::is_same_v<Schedule, OneCycleSchedule>)
      CHECK_THROWS_AS(schedule.momentum(0), ArgumentError);
    else
      CHECK_NOTHROW(schedule.momentum(0));
  }
  if constexpr (sizeof...(more) > 0) check_schedules(more...);
}

}  // namespace

TEST_CASE("an empty recurrent layer of every kind says that it is empty") {
  check_kind(Rnn<float>());
  check_kind(Lstm<float>());
  check_kind(Gru<double>());
  check_kind(Recurrent<test::MinimalGatedUnit<float>>());
}

TEST_CASE("a layer with other cells than its options call for says so") {
  Rng rng(1);
  Gru<float> gru({.input = 2, .hidden = 3}, {.layers = 2}, rng);
  const Var<float> x(ones<float>({4, 1, 2}));
  gru.cells().pop_back();
  CHECK_THROWS_WITH(gru(x), "[Gru.forward] cells: expected 2 (one per layer and direction), got 1");
}

TEST_CASE("a cell whose parameters have other shapes than its options say is refused on every path") {
  Rng rng(1);
  const Var<double> x(ones<double>({4, 1, 2}));
  for (const Path path : {Path::automatic, Path::tape}) {
    Gru<double> gru({.input = 2, .hidden = 3}, {.path = path}, rng);
    gru.cells()[0].weight_hh = parameter(ones<double>({9, 2}));
    CHECK_THROWS_WITH(gru(x),
                      Contains("[Gru.forward] weight_hh: expected (9,3) for the cell's options, got (9,2)"));
    Lstm<double> lstm({.input = 2, .hidden = 3}, {.path = path}, rng);
    lstm.cells()[0].weight_hr = parameter(ones<double>({3, 3}));  // without a projection
    CHECK_THROWS_AS(lstm(x), ShapeError);
    Rnn<double> rnn({.input = 2, .hidden = 3}, {.path = path}, rng);
    rnn.cells()[0].weight_ih = Var<double>();
    CHECK_THROWS_WITH(rnn(x), Contains("weight_ih: expected (3,2)") && Contains("got none"));
    rnn.cells()[0].weight_ih = parameter(ones<double>({3, 2}));
    rnn.cells()[0].bias_hh = Var<double>();
    CHECK_NOTHROW(rnn(x));
  }
}

TEST_CASE("an empty cell throws an unroll::Error") {
  Rng rng(1);
  check_cell(RnnCell<float>());
  check_cell(LstmCell<float>());
  check_cell(GruCell<float>());
  check_cell(moved_from(RnnCell<float>({.input = 2, .hidden = 3}, rng)));
  check_cell(moved_from(LstmCell<float>({.input = 2, .hidden = 3}, rng)));
  check_cell(moved_from(GruCell<float>({.input = 2, .hidden = 3}, rng)));
}

TEST_CASE("an empty layer of every kind says that it is empty") {
  Rng rng(1);
  const Var<float> x(ones<float>({1, 2}));
  const auto forward = [&]<class L>(const L& layer) {
    return layer(Var<scalar_t<L>>(ones<scalar_t<L>>({1, 2})));
  };
  check_layer(Linear<float>(), forward);
  check_layer(moved_from(Linear<float>(2, 3, rng)), forward);
  check_layer(LayerNorm<float>(), forward);
  check_layer(moved_from(LayerNorm<float>(2)), forward);
  const auto look_up = [](const auto& layer) { return layer(IndexTensor{{0, 1}}); };
  check_layer(Embedding<float>(), look_up);
  check_layer(moved_from(Embedding<float>(2, 3, rng)), look_up);

  // These have no parameters: an empty one does what it says.
  CHECK(Dropout<float>()(x).same_as(x));
  CHECK(moved_from(Dropout<float>(0.5, rng)).p == 0.5);
  CHECK(Sequential<>()(x).same_as(x));
  CHECK_THROWS_AS(Sequential<Linear<float>>()(x), ArgumentError);
  CHECK_THROWS_AS(moved_from(Sequential(Linear<float>(2, 3, rng)))(x), ArgumentError);
  const Activation own("twice", [](const auto& v) { return v + v; });
  Activation source = own;
  const Activation taken = std::move(source);
  CHECK(source == taken);
  CHECK((source(x).value() == taken(x).value()));
  CHECK(source.name() == "twice");
}

TEST_CASE("an empty stream takes nothing and gives nothing") {
  Rng rng(1);
  check_stream(Stream<float>());
  check_stream(Stream<double>(nullptr));
  Gru<float> gru({.input = 1, .hidden = 3}, rng);
  Stream<float> stream = freeze(gru);
  [[maybe_unused]] const Stream<float> taken = std::move(stream);
  check_stream(std::move(stream));
}

TEST_CASE("an optimizer that was moved from says so") {
  const Var<float> p = parameter(ones<float>({2}), "p");
  const std::vector<Var<float>> list{p};
  check_optimizer(Sgd<float>(list));
  check_optimizer(Adam<float>(list));
  check_optimizer(AdamW<float>(list));
  check_optimizer(NAdam<float>(list));
  check_optimizer(RmsProp<float>(list));
  check_optimizer(Adagrad<float>(list));
  check_optimizer(Adadelta<float>(list));
}

TEST_CASE("a schedule without options, or of empty functions, throws ArgumentError") {
  check_schedules(StepSchedule(), MultiStepSchedule(), ConstantSchedule(), ExponentialSchedule(),
                  CosineSchedule(), CosineRestartsSchedule(), OneCycleSchedule(), CyclicSchedule(),
                  WarmupSchedule(), PolynomialSchedule(), ChainedSchedule(), SequentialSchedule());
  CHECK_THROWS_AS(PlateauSchedule()(1.0), ArgumentError);
  CHECK_THROWS_WITH(
      (ChainedSchedule{.factors = {ExponentialSchedule{.lr = 1.0, .gamma = 0.5}, Schedule()}})(1),
      "[ChainedSchedule] factors[1]: expected a schedule, got an empty function");
  CHECK_THROWS_WITH((SequentialSchedule{.schedules = {Schedule()}})(1),
                    "[SequentialSchedule] schedules[0]: expected a schedule, got an empty function");
}

TEST_CASE("a report that nobody has made does not say yes") { CHECK_FALSE(VerifyReport()); }

TEST_CASE("for_each_window refuses an empty function") {
  Rng rng(1);
  const Gru<float> gru({.input = 2, .hidden = 3}, rng);
  const std::function<void(Tape&, const Gru<float>::Output&, Window)> none;
  CHECK_THROWS_WITH(for_each_window(gru, Var<float>(ones<float>({4, 1, 2})), 2, {}, none),
                    "[for_each_window] f: expected a function, got an empty one");
}

TEST_CASE("what a temporary gives outlives it") {
  Rng rng(1);
  const Var<float> p = parameter(ones<float>({2}), "p");
  std::size_t seen = 0;
  for (const Var<float>& v : Adam<float>({p}).parameters()) seen += v.size();
  for (const Var<float>& v : Adam<float>({p}).parameters(0)) seen += v.size();
  for (const Index width : Gru<float>({.input = 2}, {.widths = {3, 4}}, rng).options().widths)
    seen += static_cast<std::size_t>(width);
  for (const GruCell<float>& cell : Gru<float>({.input = 2, .hidden = 5}, rng).cells())
    seen += static_cast<std::size_t>(cell.options.hidden);
  for (const char letter : Activation::elu(0.5).name()) seen += letter == 'e' ? 1 : 0;
  CHECK(seen == 2 + 2 + 3 + 4 + 5 + 1);
}
