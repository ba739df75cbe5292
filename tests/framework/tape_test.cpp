#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <thread>

#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"
#include "framework/ops.hpp"

using namespace unroll;
using Catch::Matchers::Contains;

TEST_CASE("a diamond adds up both paths") {
  const Var<double> x = parameter(Tensor<double>{{1.0, 2.0}, {3.0, 4.0}});
  Tape tape;
  const Var<double> y = x * x;
  const Var<double> loss = y + y * 3.0;
  tape.backward(loss, Var<double>(ones<double>({2, 2})));
  CHECK(x.grad() == Tensor<double>{{8.0, 16.0}, {24.0, 32.0}});
}

TEST_CASE("a parameter used a thousand times gets a thousand gradients") {
  const Var<double> w = parameter(Tensor<double>{2.0, -1.0, 0.5});
  Tape tape;
  Var<double> total = w * 1.0;
  for (int i = 2; i <= 1000; ++i) total = total + w * static_cast<double>(i);
  tape.backward(sum(total));
  CHECK(w.grad() == Tensor<double>{500500.0, 500500.0, 500500.0});
}

TEST_CASE("a chain of a million ops needs no stack, and another one no new memory") {
  const Var<float> p = parameter(Tensor<float>{1.0F, 1.0F});
  const auto run = [&p] {
    Tape tape;
    Var<float> y = p;
    for (int i = 0; i < 1'000'000; ++i) y = y * p;  // every node holds the value before it
    CHECK(tape.size() == 1'000'001);
    CHECK(tape.bytes() < tape.size() * 160);
    tape.backward(sum(y));
    CHECK(p.grad() == Tensor<float>{1'000'001.0F, 1'000'001.0F});
  };
  run();  // sets the gradient's place, too
  release_unused_memory();
  const std::size_t others = pooled_bytes();
  run();
  run();
  const std::size_t held = pooled_bytes();
  run();
  CHECK(pooled_bytes() == held);
  release_unused_memory();
  CHECK(pooled_bytes() == others);
}

TEST_CASE("rules that are there when a later one throws are ended") {
  struct Rule {
    std::shared_ptr<int> held;
    int copies;  // that are left: into the input, and from there into the node
    Rule(std::shared_ptr<int> given, int left) : held(std::move(given)), copies(left) {}
    Rule(const Rule& other) : held(other.held), copies(other.copies - 1) {
      if (copies < 0) throw std::runtime_error("no room for a rule");
    }
    Var<double> operator()(const Var<double>& g) const { return g; }
  };
  const auto held = std::make_shared<int>(1);
  const Rule good(held, 2), bad(held, 1);
  const long before = held.use_count();
  const Var<double> a = parameter(Tensor<double>{1.0}), b = parameter(Tensor<double>{2.0});
  Tape tape;
  CHECK_THROWS_WITH(record("pair", Var<double>(Tensor<double>{3.0}), input(a, good), input(b, bad)),
                    "no room for a rule");
  CHECK(held.use_count() == before);
  const Var<double> y = record("pair", Var<double>(Tensor<double>{3.0}), input(a, good), input(b, good));
  CHECK(held.use_count() == before + 2);
  tape.backward(y);
  tape.release();
  CHECK(held.use_count() == before);
}

TEST_CASE("an input that a function returns has its rule") {
  const auto scaled = [](const Var<double>& x, double by) {
    const Var<double> factor(Tensor<double>{by, by});
    return input(x, [factor](const Var<double>& g) { return g * factor; });
  };
  const Var<double> a = parameter(Tensor<double>{1.0, 2.0}), b = parameter(Tensor<double>{3.0, 4.0});
  Tape tape;
  const Var<double> y = record("mix", Var<double>(Tensor<double>{0.0, 0.0}), scaled(a, 2.0), scaled(b, -3.0));
  tape.backward(sum(y));
  CHECK((a.grad() == Tensor<double>{2.0, 2.0}));
  CHECK((b.grad() == Tensor<double>{-3.0, -3.0}));
}

TEST_CASE("a value from an earlier tape is a constant on the next one") {
  const Var<double> w = parameter(Tensor<double>{3.0});
  Var<double> state(Tensor<double>{1.0, 2.0});
  for (int window = 0; window < 3; ++window) {
    const Tensor<double> before = state.value();
    Tape tape;
    CHECK_FALSE(state.requires_grad());
    state = state * w;
    CHECK(state.requires_grad());
    tape.backward(sum(state));
    // d/dw of this window alone: the sum of the state that came in.
    CHECK(w.grad()(0) == before(0) + before(1));
  }
}

TEST_CASE("the gradient of a released tape's value is not sent into the new recording") {
  const Var<double> w = parameter(Tensor<double>{3.0});
  Tape tape;
  const Var<double> old = w * w;
  tape.release();
  CHECK(tape.size() == 0);
  CHECK_FALSE(old.requires_grad());
  const Var<double> fresh = old * w;
  tape.backward(fresh);
  CHECK(w.grad()(0) == 9.0);
}

TEST_CASE("two threads record on a tape each") {
  const auto work = [](double scale, Tensor<double>& result) {
    const Var<double> w = parameter(Tensor<double>{1.0, 2.0, 3.0});
    for (int i = 0; i < 200; ++i) {
      Tape tape;
      tape.backward(sum(w * w * scale));
      result = w.grad();
    }
  };
  Tensor<double> first, second;
  std::thread one(work, 1.0, std::ref(first)), two(work, 10.0, std::ref(second));
  one.join();
  two.join();
  CHECK((first == Tensor<double>{2.0, 4.0, 6.0}));
  CHECK((second == Tensor<double>{20.0, 40.0, 60.0}));
  CHECK(Tape::current() == nullptr);
}

TEST_CASE("a tape of one thread records nothing of another") {
  const Var<double> w = parameter(Tensor<double>{2.0});
  Tape tape;
  std::thread other([] {
    const Var<double> v = parameter(Tensor<double>{1.0});
    CHECK_FALSE(Tape::is_recording());
    CHECK_FALSE((v * v).get()->tape != 0);
  });
  other.join();
  CHECK(tape.size() == 0);
}

TEST_CASE("an input that is both a variable and a constant") {
  const Var<double> x = parameter(Tensor<double>{3.0, -2.0});
  Tape tape;
  tape.backward(sum(x * x.detach()));
  CHECK(x.grad() == Tensor<double>{3.0, -2.0});
}

TEST_CASE("what another tape computed is a constant on the inner one, and the outer one goes on") {
  const Var<double> w = parameter(Tensor<double>{2.0});
  Tape outer;
  const Var<double> a = w * w;
  {
    Tape inner;
    CHECK(Tape::current() == &inner);
    CHECK_FALSE(a.requires_grad());
    const Var<double> b = a * w;
    inner.backward(b);
    CHECK(w.grad()(0) == 4.0);
  }
  CHECK(Tape::current() == &outer);
  CHECK_FALSE(w.has_grad());
  // The parameter is back at its place on the outer tape, which is where what was recorded before leads.
  CHECK(gradients<double>({a}, {w})[0].item() == 4.0);
  const Var<double> c = a * w;
  outer.backward(c);
  CHECK(w.grad()(0) == 12.0);
}

TEST_CASE("NoGrad and stop record nothing, and backward still works") {
  const Var<double> w = parameter(Tensor<double>{2.0});
  Tape tape;
  const Var<double> y = w * w;
  const std::size_t nodes = tape.size();
  {
    const NoGrad no_grad;
    CHECK_FALSE(Tape::is_recording());
    CHECK_FALSE((y * w).requires_grad());
  }
  CHECK(Tape::is_recording());
  tape.stop();
  CHECK_FALSE((y * w).requires_grad());
  CHECK(tape.size() == nodes);
  tape.backward(y);
  CHECK(w.grad()(0) == 4.0);
}

TEST_CASE("what depends on no parameter is not recorded") {
  const Var<double> x(Tensor<double>{1.0, 2.0});
  Tape tape;
  const Var<double> y = exp(x * 2.0) + x;
  CHECK(tape.size() == 0);
  CHECK_FALSE(y.requires_grad());
  CHECK_THROWS_WITH(tape.backward(sum(y)), Contains("[Tape::backward]") && Contains("constant"));
}

TEST_CASE("backward refuses what it cannot do") {
  const Var<double> w = parameter(Tensor<double>{2.0, 1.0}, "layer.weight");
  Tape tape;
  const Var<double> y = w * w;
  CHECK_THROWS_AS(tape.backward(y), TapeError);
  CHECK_THROWS_WITH(tape.backward(y), Contains("one element") && Contains("(2)"));
  CHECK_THROWS_AS(tape.backward(y, Var<double>(ones<double>({3}))), ShapeError);
  CHECK_THROWS_AS(tape.backward(Var<double>()), TapeError);
  CHECK_FALSE(w.has_grad());
  CHECK_THROWS_AS(w.grad(), TapeError);
  tape.backward(sum(y));
  CHECK(w.grad() == Tensor<double>{4.0, 2.0});

  Var<double> changed = w;
  changed.mutable_value()(0) = 5.0;
  CHECK_THROWS_AS(tape.backward(sum(y)), TapeError);
  CHECK_THROWS_WITH(tape.backward(sum(y)), Contains("layer.weight"));
  tape.release();
  tape.backward(sum(w * w));
  CHECK(w.grad() == Tensor<double>{14.0, 4.0});
}

TEST_CASE("two backward passes add up, release keeps the sum and the tape's end takes it away") {
  const Var<double> w = parameter(Tensor<double>{2.0, 1.0});
  {
    Tape tape;
    const Var<double> y = sum(w * w);
    tape.backward(y);
    tape.backward(y);
    CHECK(w.grad() == Tensor<double>{8.0, 4.0});
    tape.release();
    CHECK(w.grad() == Tensor<double>{8.0, 4.0});
    tape.backward(sum(w * 3.0));
    CHECK(w.grad() == Tensor<double>{11.0, 7.0});
    tape.release();
    tape.release();
    tape.backward(sum(w));
    CHECK(w.grad() == Tensor<double>{12.0, 8.0});
  }
  CHECK_FALSE(w.has_grad());
  CHECK_THROWS_AS(w.grad(), TapeError);
  Tape tape;
  tape.backward(sum(w));
  CHECK(w.grad() == Tensor<double>{1.0, 1.0});
}

TEST_CASE("parameters that share one gradient do not share its memory") {
  Var<double> a = parameter(Tensor<double>{1.0}), b = parameter(Tensor<double>{2.0});
  Tape tape;
  tape.backward(a + b);
  a.mutable_grad()(0) = 7.0;
  CHECK(b.grad()(0) == 1.0);
}

TEST_CASE("one tape takes float and double") {
  const Var<float> a = parameter(Tensor<float>{2.0F});
  const Var<double> b = parameter(Tensor<double>{3.0});
  Tape tape;
  tape.backward(a * a);
  tape.backward(b * b);
  CHECK(a.grad()(0) == 4.0F);
  CHECK(b.grad()(0) == 6.0);
}
