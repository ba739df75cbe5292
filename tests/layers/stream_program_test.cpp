// Streams of cells without a kernel, and of several layers: what the layers compute.
#include <catch2/catch.hpp>

#include "examples/gallery/indrnn.hpp"
#include "examples/gallery/mingru.hpp"
#include "examples/gallery/slstm.hpp"
#include "examples/gallery/sru.hpp"
#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"
#include "noisy_cell.hpp"

using namespace unroll;

namespace {

constexpr std::size_t kSteps = 9;
template <class S>
constexpr double kTolerance = std::is_same_v<S, float> ? 2e-5 : 1e-13;  // layer norm enlarges errors

template <class S>
double distance(const S* a, const S* b, std::size_t count) {
  double largest = 0.0;
  for (std::size_t i = 0; i < count; ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])) /
                                    (1.0 + std::abs(static_cast<double>(b[i]))));
  return largest;
}

// Runs a stream over x (T,B,I) and compares with y (T,B,O).
template <class S>
void check_outputs(Stream<S>& stream, const Tensor<S>& x, const Tensor<S>& y) {
  REQUIRE(x.shape()[2] == stream.input_size());
  REQUIRE(y.shape()[2] == stream.output_size());
  const std::size_t in = x.size() / kSteps, out = y.size() / kSteps;
  double largest = 0.0;
  for (std::size_t t = 0; t < kSteps; ++t) {
    const auto now = stream.step({x.data() + t * in, in});
    REQUIRE(now.size() == out);
    largest = std::max(largest, distance(now.data(), y.data() + t * out, out));
  }
  CHECK(largest < kTolerance<S>);
}

template <class Layer>
void check(Layer layer) {
  using S = typename Layer::Scalar;
  for (const std::size_t batch : {1U, 3U, 17U}) {
    INFO(layer.extra_repr() << ", B " << batch);
    Rng rng(5);
    const Tensor<S> x = random_normal<S>({kSteps, batch, layer.input_size()}, 0.0, 1.0, rng);
    auto stream = freeze(layer, {.batch = static_cast<Index>(batch)});
    set_training(layer, false);
    const auto want = layer(Var<S>(x));
    check_outputs(stream, x, want.output.value());
    const auto states = stream.template states<typename Layer::State>();
    REQUIRE(states.size() == want.states.size());
    for (std::size_t k = 0; k < states.size(); ++k) {
      map_states(states[k], want.states[k], [&](const Var<S>& a, const Var<S>& b) {
        REQUIRE(a.shape() == b.shape());
        CHECK(distance(a.data(), b.data(), a.size()) < kTolerance<S>);
        return a;
      });
    }
    // Goes on where a sequence ended, beside a clone that does, too; and begins again.
    auto clone = stream.clone();
    stream.reset();
    check_outputs(stream, x, want.output.value());
    stream.reset();
    stream.set_states(want.states);
    const auto more = layer(Var<S>(x), {.states = want.states, .lengths = {}}).output.value();
    check_outputs(stream, x, more);
    check_outputs(clone, x, more);
  }
}

template <class Cell>
void check_cell(typename Recurrent<Cell>::CellOptions cell, RecurrentOptions options = {}) {
  Rng rng(3);
  cell.input = 3;
  cell.hidden = 6;
  check(Recurrent<Cell>(cell, options, rng));
  options.learn_initial_states = true;
  options.layers = 2;
  check(Recurrent<Cell>(cell, options, rng));
}

template <class S>
void check_all() {
  check_cell<test::MinimalGatedUnit<S>>({});
  check_cell<gallery::MinGruCell<S>>({});
  check_cell<gallery::IndRnnCell<S>>({});
  check_cell<gallery::SruCell<S>>({.use_tanh = true});
  check_cell<gallery::SlstmCell<S>>({.heads = 2});
  check_cell<LstmCell<S>>({.peepholes = true, .layer_norm = true, .coupled = true});
  check_cell<LstmCell<S>>({.projection = 4, .layer_norm = true});
  check_cell<RnnCell<S>>({.activation = Activation::gelu()});
  check_cell<GruCell<S>>({.gate_activation = Activation::hard_sigmoid(), .activation = Activation::elu()},
                         {.recurrent_dropout = 0.3});
  check_cell<LstmCell<S>>({}, {.zoneout_hidden = 0.2, .zoneout_cell = 0.1});
}

// A model with a step of its own: two layers, one of which reads the other's old state.
struct Duet : MoveOnly {
  static constexpr const char* kName = "Duet";
  using Scalar = double;
  struct State {
    using Scalar = double;
    States<Var<double>> gru;
    LstmState<double> lstm;
    static void each(auto& self, auto&& visit) {
      for (auto& h : self.gru) visit("gru", h);
      std::remove_cvref_t<decltype(self.lstm)>::each(self.lstm, visit);
    }
  };
  Linear<double> in;
  Gru<double> gru;
  Lstm<double> lstm;
  Linear<double> head;

  explicit Duet(Rng& rng)
      : in(3, 4, rng),
        gru({.input = 4, .hidden = 5}, {.layers = 2}, rng),
        lstm({.input = 9, .hidden = 4, .peepholes = true}, rng),
        head(9, 2, rng) {}
  State zero_state(std::size_t batch) const {
    State state;
    for (const auto& cell : gru.cells()) state.gru.push_back(unroll::zero_state(cell, batch));
    state.lstm = unroll::zero_state(lstm.cells()[0], batch);
    return state;
  }
  std::pair<Var<double>, State> step(const Var<double>& x, const State& s) const {
    auto up = gru.step(tanh(in(x)), s.gru);
    auto down = lstm.step(concat({up.output, s.lstm.h}, 1), {s.lstm});
    return {softmax(head(concat({down.output, up.output}, 1))), {std::move(up.states), down.states[0]}};
  }
  static void each(auto& self, auto&& visit) {
    visit("in", self.in);
    visit("gru", self.gru);
    visit("lstm", self.lstm);
    visit("head", self.head);
  }
};

// A model with several outputs.
template <class S>
struct Singer : MoveOnly {
  using Scalar = S;
  using State = LstmState<S>;
  struct Output {
    Var<S> pitch, loudness, voiced;
    static void each(auto& self, auto&& visit) {
      visit("pitch", self.pitch);
      visit("loudness", self.loudness);
      visit("voiced", self.voiced);
    }
  };
  Lstm<S> lstm;
  Linear<S> head;

  explicit Singer(Rng& rng) : lstm({.input = 2, .hidden = 5}, rng), head(5, 4, rng) {}
  State zero_state(std::size_t batch) const { return unroll::zero_state(lstm.cells()[0], batch); }
  std::pair<Output, State> step(const Var<S>& x, const State& state) const {
    auto [h, states] = lstm.step(x, {state});
    const Var<S> y = head(h);
    return {{y, slice(h, 1, {1, 4}), sigmoid(slice(y, 1, {0, 1}))}, states[0]};
  }
  static void each(auto& self, auto&& visit) {
    visit("lstm", self.lstm);
    visit("head", self.head);
  }
};

// The model's steps in evaluation, of its own and of the stream.
template <class S>
void check_outputs_by_name(std::size_t batch) {
  Rng rng(11);
  const Singer<S> model(rng);
  auto stream = freeze(model, 2, {.batch = static_cast<Index>(batch)});
  CHECK(stream.output_size() == 4);
  auto state = model.zero_state(batch);
  for (std::size_t t = 0; t < kSteps; ++t) {
    const Tensor<S> x = random_normal<S>({batch, 2}, 0.0, 1.0, rng);
    auto [want, next] = model.step(Var<S>(x), state);
    if (t == 4) stream = stream.clone();
    const auto first = stream.step({x.data(), x.size()});
    const auto same = [](std::span<const S> y, const Var<S>& v) {
      REQUIRE(y.size() == v.size());
      CHECK(distance(y.data(), v.data(), y.size()) < kTolerance<S>);
    };
    same(first, want.pitch);
    same(stream.output("loudness"), want.loudness);
    same(stream.output("voiced"), want.voiced);
    CHECK(stream.output("pitch").data() == first.data());
    CHECK(stream.output("noise").empty());
    state = std::move(next);
  }
}

}  // namespace

TEST_CASE("a stream of any cell gives what the sequence forward gives") {
  check_all<float>();
  check_all<double>();
}

TEST_CASE("a stream has no dropout, and leaves the generator of a cell's own alone") {
  Rng rng(4);
  Recurrent<test::NoisyCell<double>> layer({.input = 3, .hidden = 5}, rng);
  const Var<double> x(random_normal<double>({kSteps, 1, 3}, 0.0, 1.0, rng));
  auto same = clone(layer);
  auto stream = freeze(layer);
  CHECK((layer(x).output.value() == same(x).output.value()));
  CHECK(layer.training);
  set_training(layer, false);
  check_outputs(stream, x.value(), layer(x).output.value());
}

TEST_CASE("a stream of several layers and functions is the model, step by step") {
  Rng rng(6);
  constexpr std::size_t kBatch = 3;
  using Out = Linear<double>;
  const Sequential model(
      Lstm<double>({.input = 4, .hidden = 5}, {.layers = 2}, rng), [](const auto& r) { return r.output; },
      LayerNorm<double>(5), Recurrent<gallery::SruCell<double>>({.input = 5, .hidden = 6}, rng),
      [](const auto& r) { return last(r); }, Out(6, 7, rng), Activation::relu(), Dropout<double>(0.5, rng),
      Out(7, 2, rng), [](const auto& x) { return softmax(x); });
  const Tensor<double> x = random_normal<double>({kSteps, kBatch, 4}, 0.0, 1.0, rng);
  const Var<double> h = model.part<2>()(model.part<0>()(Var<double>(x)).output),
                    y = model.part<3>()(h).output, want = softmax(model.part<8>()(relu(model.part<5>()(y))));
  auto stream = freeze(model, {.batch = kBatch});
  check_outputs(stream, x, want.value());
  auto clone = stream.clone();
  stream.reset();
  check_outputs(stream, x, want.value());
  CHECK_THROWS_AS(stream.states<Var<double>>(), ArgumentError);
}

TEST_CASE("a stream of a struct with a step of its own is that struct, step by step") {
  Rng rng(9);
  Duet model(rng);
  for (const std::size_t batch : {1U, 4U}) {
    const Tensor<double> x = random_normal<double>({kSteps, batch, 3}, 0.0, 1.0, rng);
    Tensor<double> want = zeros<double>({kSteps, batch, 2});
    Duet::State state = model.zero_state(batch);
    for (std::size_t t = 0; t < kSteps; ++t) {
      auto [y, next] = model.step(select(Var<double>(x), 0, static_cast<Index>(t)), state);
      std::copy_n(y.data(), y.size(), want.data() + t * y.size());
      state = std::move(next);
    }
    auto stream = freeze(model, 3, {.batch = static_cast<Index>(batch)});
    check_outputs(stream, x, want);
    // All of it in one call, from the beginning.
    stream.reset();
    Tensor<double> y = zeros<double>(want.shape());
    CHECK(stream.block({x.data(), x.size()}, {y.data(), y.size()}));
    CHECK(distance(y.data(), want.data(), y.size()) < 1e-13);
    CHECK_FALSE(stream.block({x.data(), x.size()}, {y.data(), y.size() - 1}));
    CHECK_FALSE(stream.block({x.data(), x.size() - 1}, {y.data(), y.size()}));
    CHECK(stream.block(std::span<const double>(), {}));
  }
  CHECK(Stream<double>().block(std::span<const double>(), {}));
  using Catch::Contains;
  CHECK_THROWS_WITH(freeze(model, 0), Contains("[Duet.freeze] input_size: expected >= 1, got 0"));
  CHECK_THROWS_AS(freeze(model, 5), ShapeError);
  model.gru = Gru<double>({.input = 4, .hidden = 5}, {.layers = 2, .dropout = 0.5}, rng);
  CHECK_THROWS_WITH(freeze(model, 3), Contains("dropout is no instruction of programs"));
  set_training(model, false);
  freeze(model, 3);
}

TEST_CASE("a stream's further outputs have the names that the model gives them") {
  for (const std::size_t batch : {1U, 3U}) {
    check_outputs_by_name<float>(batch);
    check_outputs_by_name<double>(batch);
  }
  CHECK(Stream<float>().output("pitch").empty());
}

TEST_CASE("a stream of a model that begins with an embedding takes ids") {
  Rng rng(12);
  constexpr std::size_t kBatch = 3, kVocabulary = 7;
  const Sequential model(
      Embedding<double>(kVocabulary, 4, rng, {.padding_id = 2}), Dropout<double>(0.5, rng),
      Gru<double>({.input = 4, .hidden = 5}, rng), [](const auto& r) { return r.output; },
      Linear<double>(5, 2, rng));
  IndexTensor ids(Shape{kSteps, kBatch});
  for (std::size_t k = 0; k < ids.size(); ++k) ids.data()[k] = static_cast<std::int64_t>(k * k % kVocabulary);
  const Tensor<double> want = model.part<4>()(model.part<2>()(model.part<0>()(ids)).output).value();
  auto stream = freeze(model, {.batch = kBatch});
  auto other = freeze(model.part<0>(), model.part<2>(), model.part<4>(), {.batch = kBatch});
  CHECK(stream.input_size() == 1);
  const auto same = [&](std::span<const double> y, std::size_t t) {
    REQUIRE(y.size() == kBatch * 2);
    CHECK(distance(y.data(), want.data() + t * y.size(), y.size()) < 1e-13);
  };
  for (std::size_t t = 0; t < kSteps; ++t) {
    const std::span<const std::int64_t> now(ids.data() + t * kBatch, kBatch);
    // What is no row of ids changes nothing.
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{kVocabulary}, INT64_MIN}) {
      const std::vector<std::int64_t> bad{0, wrong, 1};
      CHECK(stream.step(bad).empty());
    }
    CHECK(stream.step(now.first(2)).empty());
    CHECK(stream.step(std::vector<double>(kBatch)).empty());
    same(stream.step(now), t);
    same(other.step(now), t);
  }
  stream.reset();
  std::vector<double> y(want.size());
  const std::span<const std::int64_t> all(ids.data(), ids.size());
  CHECK_FALSE(stream.block(all.first(4), y));
  CHECK_FALSE(stream.block(std::vector<double>(all.size()), y));
  CHECK_FALSE(stream.block(std::vector<std::int64_t>(all.size(), 7), y));
  REQUIRE(stream.block(all, y));
  CHECK(distance(y.data(), want.data(), y.size()) < 1e-13);
  // A stream of numbers takes no ids.
  auto numbers = freeze(model.part<2>(), {.batch = kBatch});
  CHECK(numbers.step(all.first(kBatch)).empty());
  CHECK_FALSE(numbers.block(all, y));
  CHECK(Stream<double>().step(all).empty());
  CHECK(Stream<double>().block(std::span<const std::int64_t>(), {}));
  // The stream has a copy of the rows, and what cannot be one says so.
  CHECK_THROWS_WITH(freeze(Sequential(Embedding<double>(), Gru<double>({.input = 4, .hidden = 5}, rng))),
                    Catch::Contains("[Embedding"));
  CHECK_THROWS_WITH(
      freeze(Sequential(Embedding<double>(7, 3, rng), Gru<double>({.input = 4, .hidden = 5}, rng))),
      Catch::Contains("expected the 3 features of the layer before, got a layer for 4"));
}

TEST_CASE("a stream is independent of its layer's parameters") {
  Rng rng(7);
  Recurrent<test::MinimalGatedUnit<double>> layer({.input = 3, .hidden = 5}, rng);
  const Tensor<double> x = random_normal<double>({kSteps, 1, 3}, 0.0, 1.0, rng);
  const Tensor<double> want = layer(Var<double>(x)).output.value();
  auto stream = freeze(layer);
  for (Var<double> p : parameters(layer)) p.mutable_value() = zeros<double>(p.shape());
  check_outputs(stream, x, want);
}

TEST_CASE("a model that cannot be frozen says why") {
  Rng rng(8);
  using Catch::Contains;
  CHECK_THROWS_WITH(freeze(Sequential(Gru<double>({.input = 2, .hidden = 3}, rng),
                                      [](const auto& r) { return cumsum(r.output, 0); })),
                    Contains("[Gru.freeze] step: expected one that is a program, got one that is not: "));
  CHECK_THROWS_WITH(freeze(Sequential(Gru<double>({.input = 2, .hidden = 3}, rng),
                                      [](const auto& r) { return sum(r.output); })),
                    Contains("a function that does not return (B,C) for (B,C): ()"));
  CHECK_THROWS_AS(freeze(Sequential(Lstm<double>({.input = 2, .hidden = 3}, rng),
                                    [](const auto& r) { return r.states[0].c * 2.0; })),
                  Error);
  // Layers that do not fit each other, as cells, and as kernels.
  const auto output = [](const auto& r) { return r.output; };
  const auto refused = [](const auto& model) {
    CHECK_THROWS_MATCHES(freeze(model), ShapeError,
                         Catch::Matchers::Predicate<ShapeError>([](const ShapeError& error) {
                           return std::string(error.what())
                                      .find(
                                          "3 features of the layer before, got a "
                                          "layer for 4") != std::string::npos;
                         }));
  };
  refused(Sequential(Gru<double>({.input = 2, .hidden = 3}, rng), output,
                     Gru<double>({.input = 4, .hidden = 3}, rng)));
  refused(Sequential(Gru<double>({.input = 2, .hidden = 3}, rng), output,
                     Recurrent<gallery::IndRnnCell<double>>({.input = 4, .hidden = 3}, rng)));
  CHECK_THROWS_AS(
      freeze(Sequential(Gru<double>({.input = 2, .hidden = 3}, rng), output, Linear<double>(4, 3, rng))),
      ShapeError);
}
