// What cannot be compiled runs on the tape, and says why.
#include "framework/errors.hpp"
#include "function_cell.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {

std::string why_not(const FunctionCell::Step& step) {
  const auto layer = any(step);
  const Tape tape;
  const std::string reason = layer.why_not_compiled();
  CHECK(layer.path() == (reason.empty() ? Path::compiled : Path::tape));
  return reason;
}

}  // namespace

TEST_CASE("a step that cannot be compiled runs on the tape, and says why") {
  using Catch::Equals;
  CHECK_THAT(why_not([](const FunctionCell& c, const V& x, const V& h) {
               return h.value()(0, 0) > 0.0 ? plain(c, x, h) : h;
             }),
             Equals("step() reads or changes a value, or has a hook"));
  CHECK_THAT(why_not([](const FunctionCell& c, const V& x, const V& h) {
               const V s = sum(h);
               return s.item() > 0.0 ? plain(c, x, h) : h;
             }),
             Equals("step() reads or changes a value, or has a hook"));
  for (const FunctionCell::Step& step : {FunctionCell::Step([](const FunctionCell&c, const V&x, const V&h) {
                                           return plain(c, x, h) * V(tanh(h).value());
                                         }),
                                         FunctionCell::Step([](const FunctionCell&c, const V&x, const V&h) {
                                           return plain(c, x, h) + h.detach();
                                         }),
                                         FunctionCell::Step([](const FunctionCell&c, const V&x, const V&h) {
                                           V y = plain(c, x, h);
                                           y.mutable_value() *= 2.0;
                                           return y;
                                         }),
                                         FunctionCell::Step([](const FunctionCell&c, const V&x, const V&h) {
                                           return h.data()[0] > 0.0 ? plain(c, x, h) : h;
                                         })}) {
    CHECK_THAT(why_not(step), Equals("step() reads or changes a value, or has a hook"));
  }
  CHECK_THAT(why_not([](const FunctionCell& c, const V& x, const V& h) { return cumsum(plain(c, x, h), 1); }),
             Equals("cumsum is no instruction of programs"));
  CHECK_THAT(why_not([](const FunctionCell& c, const V& x, const V& h) {
               return logsumexp(h, {1}, true) * plain(c, x, h);
             }),
             Equals("logsumexp is no instruction of programs"));
  CHECK_THAT(why_not([](const FunctionCell& c, const V& x, const V& h) {
               return plain(c, x, h) - mean(h, {0}, true);
             }),
             Equals("step() is not the same for every batch size and call"));
  CHECK_THAT(why_not([](const FunctionCell& c, const V& x, const V& h) {
               return plain(c, x, h) - sum(h, {0}, true);
             }),
             Equals("sub: of a sum over the rows"));
  CHECK_THAT(why_not([](const FunctionCell& c, const V& x, const V& h) {
               return plain(c, x, h) * (1.0 / static_cast<double>(x.shape(0)));
             }),
             Equals("step() is not the same for every batch size and call"));
  CHECK_THAT(why_not([](const FunctionCell& c, const V& x, const V& h) {
               return plain(c, x, h) + V(ones<double>(h.shape()));
             }),
             Equals("step() is not the same for every batch size and call"));
  Rng rng(5);
  CHECK_THAT(why_not([&](const FunctionCell& c, const V& x, const V& h) {
               return plain(c, x, h) * V(random_normal<double>({1, kHidden}, 1.0, 0.1, rng));
             }),
             Equals("step() uses a constant that differs from call to call (random numbers?)"));
  CHECK_THAT(why_not([&](const FunctionCell& c, const V& x, const V& h) {
               return dropout(plain(c, x, h), 0.5, rng);
             }),
             Equals("dropout is no instruction of programs"));
  const V outside = parameter(Tensor<double>({1, kHidden}, 0.5), "outside");
  CHECK_THAT(why_not([&](const FunctionCell& c, const V& x, const V& h) { return plain(c, x, h) * outside; }),
             Equals("step() uses a parameter 'outside' of shape (1,5)"));
  CHECK_THAT(why_not([&](const FunctionCell& c, const V& x, const V& h) {
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
    const auto layer = any(
        [&](const FunctionCell& c, const V& x, const V& h) { return plain(c, x, h) * made; }, {.path = path});
    const auto y = layer(V(ones<double>({kSteps, 2, kInput})));
    return gradients(std::vector<V>{sum(y.output)}, {outside})[0].value();
  };
  CHECK((gradient(Path::automatic) == gradient(Path::tape)));
  CHECK(std::abs(gradient(Path::tape).data()[0]) > 1e-3);
}

TEST_CASE("a compiled path that is asked for and cannot be taken is an error") {
  auto layer = any([](const FunctionCell& c, const V& x, const V& h) { return cumsum(plain(c, x, h), 1); },
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

TEST_CASE("a parameter from elsewhere that a step uses without a gradient is a constant") {
  const V outside = parameter(Tensor<double>({1, kHidden}, 0.5));
  const auto step = [&](const FunctionCell& c, const V& x, const V& h) {
    const V made = plain(c, x, h);
    const NoGrad constant;
    const V factor = h * outside;
    return made + factor;
  };
  auto layer = any(step, {.path = Path::tape});
  const auto want = results(layer, 2);
  layer.set_path(Path::automatic);
  CHECK(furthest(results(layer, 2), want) < 1e-13);
}

TEST_CASE("what a step throws passes through, and the next call is right") {
  bool broken = true;
  auto layer = any([&](const FunctionCell& c, const V& x, const V& h) {
    if (broken) throw ArgumentError("stop");
    return plain(c, x, h);
  });
  CHECK_THROWS_WITH(layer(V(ones<double>({kSteps, 2, kInput}))), "stop");
  broken = false;
  CHECK(furthest(results(layer, 2), results(any(plain, {.path = Path::tape}), 2)) < 1e-13);
}

TEST_CASE("a step that only works on a tape's values runs on the tape") {
  int calls = 0;
  auto layer = any([&](const FunctionCell& c, const V& x, const V& h) {
    V y = plain(c, x, h);
    y.register_hook([&](const V&) {
      ++calls;
      return V();
    });
    return y;
  });
  Tape tape;
  tape.backward(sum(layer(V(ones<double>({kSteps, 2, kInput}))).output));
  CHECK(calls == kSteps);
}

namespace {
// Its first three steps differ from the others.
struct CountingCell : MoveOnly {
  using Scalar = double;
  CellSizes options;
  Linear<double> all;
  mutable int count = 0;

  CountingCell() = default;
  CountingCell(CellSizes sizes, Rng& rng)
      : options(sizes), all(sizes.input + sizes.hidden, sizes.hidden, rng) {}
  Var<double> step(const Var<double>& x, const Var<double>& h) const {
    const V a = all(concat(std::vector<V>{x, h}, 1));
    return ++count > 3 ? tanh(a) : a;
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("all", self.all);
    visit("count", self.count);
  }
};
}  // namespace

TEST_CASE("a step that counts is not compiled, and has not been counted by a trace") {
  auto automatic = make<CountingCell>(), tape = make<CountingCell>({.path = Path::tape});
  CHECK(automatic.why_not_compiled() == "step() changes a member");
  CHECK(furthest(results(automatic, 2), results(tape, 2)) == 0.0);
  CHECK(automatic.cells()[0].count == kSteps);
}
