// Values that change between the forward and the backward pass.
#include <catch2/catch.hpp>
#include <thread>

#include "framework/errors.hpp"
#include "framework/multi_output.hpp"
#include "framework/ops.hpp"

using namespace unroll;
using Catch::Matchers::Contains;

TEST_CASE("what a tape has used and was changed before backward is refused") {
  const Var<double> w = parameter(Tensor<double>{3.0}, "w");
  SECTION("a constant") {
    Var<double> x(Tensor<double>{2.0});
    Tape tape;
    const Var<double> loss = sum(w * x);
    x.mutable_value()(0) = 100.0;
    CHECK_THROWS_WITH(tape.backward(loss), Contains("constant of shape (1)") && Contains("changed"));
    CHECK_THROWS_AS(gradients<double>({loss}, {w}), TapeError);
    CHECK_FALSE(w.has_grad());
    tape.release();
    tape.backward(sum(w * x));
    CHECK(w.grad()(0) == 100.0);
  }
  SECTION("a constant of an op with several outputs") {
    Var<double> x(Tensor<double>{2.0});
    Tape tape;
    std::vector<Var<double>> y{Var<double>(Tensor<double>{6.0})};
    record_multi_output<double>("times", y, {w, x}, [x](const VarList<double>& g, const NeedsGrad&) {
      return VarList<double>{g[0] * x, Var<double>()};
    });
    x.mutable_value()(0) = 100.0;
    CHECK_THROWS_AS(tape.backward(y[0]), TapeError);
  }
  SECTION("a result") {
    Tape tape;
    Var<double> y = square(w);
    const Var<double> loss = sum(y * y);
    y.mutable_value()(0) = 1.0;
    CHECK_THROWS_WITH(tape.backward(loss), Contains("result"));
  }
  SECTION("a buffer that is filled again for the next micro-batch") {
    Var<double> x(Tensor<double>{2.0});
    Tape tape;
    Var<double> total = sum(w * x);
    x.mutable_value()(0) = 5.0;
    total = total + sum(w * x);
    CHECK_THROWS_AS(tape.backward(total), TapeError);
  }
  SECTION("not one that only ops used which nobody recorded") {
    Var<double> x(Tensor<double>{2.0});
    Tape tape;
    static_cast<void>(x * x);
    {
      const NoGrad no_grad;
      static_cast<void>(x * w);
    }
    x.mutable_value()(0) = 5.0;
    tape.backward(sum(w * x));
    CHECK(w.grad()(0) == 5.0);
  }
  SECTION("not what only an earlier tape has used") {
    Var<double> x(Tensor<double>{2.0});
    {
      const Tape earlier;
      static_cast<void>(w * x);
    }
    Tape tape;
    x.mutable_value()(0) = 5.0;
    tape.backward(sum(w * x));
    CHECK(w.grad()(0) == 5.0);
  }
}

TEST_CASE("a change inside an inner tape is refused by every tape that has used the value") {
  const Var<double> w = parameter(Tensor<double>{3.0}, "w");
  Var<double> p = parameter(Tensor<double>{2.0}, "p");
  Var<double> x(Tensor<double>{2.0});
  Tape outer;
  Var<double> y = square(w);
  const Var<double> loss = sum(w * x * p * y);
  Var<double>* changed = nullptr;
  SECTION("a constant that the inner one uses, too") { changed = &x; }
  SECTION("a parameter") { changed = &p; }
  SECTION("a result of the outer one, a constant of the inner") { changed = &y; }
  {
    Tape inner;
    const Var<double> again = sum(w * x * p * y);
    if (Tape::current() == &inner) changed->mutable_value()(0) = 7.0;
    CHECK_THROWS_AS(inner.backward(again), TapeError);
  }
  CHECK_THROWS_AS(outer.backward(loss), TapeError);
}

TEST_CASE("a parameter that another thread has changed is refused") {
  Var<double> w = parameter(Tensor<double>{2.0, 3.0}, "w"), v = parameter(Tensor<double>{1.0, 1.0}, "v");
  const auto change = [](Var<double>& p) { std::thread([&p] { p.mutable_value()(0) += 1.0; }).join(); };
  const auto refused = Contains("parameter 'w' of shape (2) was changed after this tape had used it");
  Tape tape;
  change(w);  // before it is used
  const Var<double> loss = sum(w * w * v);
  change(v);
  change(w);
  CHECK_THROWS_WITH(tape.backward(loss), refused);
  CHECK_FALSE(v.has_grad());
  CHECK_THROWS_WITH(gradients<double>({loss}, {v}), refused);
  tape.release();
  tape.backward(sum(w * w * v));
  CHECK(w.grad() == 2.0 * w.value() * v.value());
}

TEST_CASE("a change after an inner tape that has used the constant, too, is refused") {
  const Var<double> w = parameter(Tensor<double>{3.0}, "w");
  Var<double> x(Tensor<double>{2.0});
  Tape outer;
  const Var<double> loss = sum(w * x);
  {
    Tape inner;
    inner.backward(sum(w * x));
  }
  x.mutable_value()(0) = 7.0;
  CHECK_THROWS_AS(outer.backward(loss), TapeError);
}
