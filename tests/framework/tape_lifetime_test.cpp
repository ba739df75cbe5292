// What may go wrong with lifetimes: values of temporaries, and tapes that end in another order or on another
// thread.
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <type_traits>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"
#include "framework/memory_report.hpp"
#include "framework/multi_output.hpp"
#include "framework/ops.hpp"

using namespace unroll;

namespace {

Var<double> doubled(const Var<double>& x) { return x * 2.0; }

// Ops of the same shape, whose results take the place of values that have gone.
void reuse_memory(const Var<double>& x) {
  for (int i = 0; i < 4; ++i) static_cast<void>(x * 100.0 + 1.0);
}

}  // namespace

TEST_CASE("the value of a temporary outlives it") {
  const Var<double> x(Tensor<double>{1.0, 2.0, 3.0});
  std::vector<double> seen;
  for (const double e : doubled(x).value()) {
    reuse_memory(x);
    seen.push_back(e);
  }
  CHECK(seen == std::vector<double>{2.0, 4.0, 6.0});

  const auto& held = doubled(x).value();
  const auto lazy = doubled(x).value() + 1.0;
  std::size_t sizes = 0;
  for (const std::size_t n : doubled(x).shape()) {
    reuse_memory(x);
    sizes += n;
  }
  reuse_memory(x);
  CHECK(held == Tensor<double>{2.0, 4.0, 6.0});
  CHECK((Tensor<double>(lazy) == Tensor<double>{3.0, 5.0, 7.0}));
  CHECK(sizes == 3);

  struct Result {
    Var<double> output;
  };
  const auto& member = Result{doubled(x)}.output.value();
  reuse_memory(x);
  CHECK(member == Tensor<double>{2.0, 4.0, 6.0});
}

TEST_CASE("the value of a temporary is a copy where another handle shares it, and its own otherwise") {
  const Var<double> x(Tensor<double>{1.0, 2.0});
  Tensor<double> copy = Var<double>(x).value();
  copy(0) = 7.0;
  CHECK(x.value()(0) == 1.0);
  CHECK((doubled(x).value() == Tensor<double>{2.0, 4.0}));  // a small value's elements are copied
  Var<double> last(full<double>({1000}, 2.0));
  const double* elements = last.data();
  const Tensor<double> moved = std::move(last).value();
  CHECK(moved.data() == elements);
  CHECK_FALSE(last.defined());  // NOLINT(bugprone-use-after-move)
  CHECK_THROWS_AS(last.value(), TapeError);

  // A parameter keeps its value though only the tape holds it.
  Tape tape;
  Var<double> p = parameter(Tensor<double>{3.0, 4.0}, "p");
  const Var<double> y = sum(square(p));
  CHECK((std::move(p).value() == Tensor<double>{3.0, 4.0}));
  tape.backward(y);
}

template <class V>
concept HasData = requires(V v) {
  std::forward<V>(v).data();
};
template <class V>
concept HasMutableValue = requires(V v) {
  std::forward<V>(v).mutable_value();
};
template <class V>
concept HasMutableGrad = requires(V v) {
  std::forward<V>(v).mutable_grad();
};

TEST_CASE("nothing of a temporary can be pointed at") {
  CHECK(HasData<Var<double>&>);
  CHECK_FALSE(HasData<Var<double>>);
  CHECK(HasMutableValue<Var<double>&>);
  CHECK_FALSE(HasMutableValue<Var<double>>);
  CHECK(HasMutableGrad<Var<double>&>);
  CHECK_FALSE(HasMutableGrad<Var<double>>);
  CHECK_FALSE(std::is_reference_v<decltype(std::declval<Var<double>>().grad())>);
  CHECK_FALSE(std::is_reference_v<decltype(std::declval<Var<double>>().name())>);
}

TEST_CASE("a tape may be replaced by the next one") {
  const Var<double> w = parameter(Tensor<double>{3.0}, "w");
  std::unique_ptr<Tape> tape;
  for (int i = 0; i < 4; ++i) {
    tape = std::make_unique<Tape>();  // begins before the one before it ends
    CHECK(Tape::current() == tape.get());
    tape->backward(sum(square(w)));
    CHECK(w.grad()(0) == 6.0);
  }
  tape.reset();
  CHECK(Tape::current() == nullptr);
  CHECK_FALSE(Tape::is_recording());
}

TEST_CASE("tapes may end in any order") {
  const Var<double> w = parameter(Tensor<double>{3.0}, "w");
  std::vector<std::size_t> order{0, 1, 2};
  do {
    std::unique_ptr<Tape> tapes[3];
    Var<double> squares[3];
    for (int i = 0; i < 3; ++i) {
      tapes[i] = std::make_unique<Tape>();
      squares[i] = square(w) * static_cast<double>(i + 1);
    }
    for (const std::size_t ended : order) {
      tapes[ended].reset();
      // The innermost of the others records, and the parameter has one place on each, where its gradient
      // goes.
      int innermost = -1;
      for (int i = 0; i < 3; ++i) {
        if (tapes[i]) innermost = i;
      }
      REQUIRE(Tape::current() == (innermost < 0 ? nullptr : tapes[innermost].get()));
      CHECK(Tape::is_recording() == (innermost >= 0));
      if (innermost < 0) continue;
      const std::size_t nodes = tapes[innermost]->size();
      const Var<double> more = squares[innermost] * w;
      CHECK(tapes[innermost]->size() == nodes + 1);
      CHECK(gradients<double>({more}, {w})[0].item() == 27.0 * (innermost + 1));
    }
    Var<double> y = w;
    for (int i = 0; i < 1000; ++i) y = y * 1.0001;
    CHECK_FALSE(y.requires_grad());
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("the gradients of a tape that ends before an inner one go with it") {
  const Var<double> w = parameter(Tensor<double>{3.0}, "w");
  auto outer = std::make_unique<Tape>();
  outer->backward(square(w));
  const Tape inner;
  CHECK(w.has_grad());
  outer.reset();
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("a tape may end on another thread") {
  const Var<double> w = parameter(Tensor<double>{3.0}, "w");
  auto outer = std::make_unique<Tape>();
  auto inner = std::make_unique<Tape>();
  const Var<double> y = square(w);
  std::thread([&outer] { outer.reset(); }).join();
  CHECK(Tape::current() == inner.get());
  std::thread([tape = std::move(inner)]() mutable {
    const Tape own;
    tape.reset();
    CHECK(Tape::current() == &own);
  }).join();
  CHECK(Tape::current() == nullptr);
  CHECK_FALSE(square(w).requires_grad());

  // And outlive its thread.
  std::unique_ptr<Tape> orphan;
  std::thread([&orphan, &w] {
    orphan = std::make_unique<Tape>();
    static_cast<void>(square(w));
  }).join();
  CHECK(Tape::current() == nullptr);
  orphan.reset();
  CHECK(Tape::current() == nullptr);
  const Tape tape;
  CHECK(square(w).requires_grad());
}

TEST_CASE("NoGrad, DetectNonfinite and TrackMemory may end in any order, too") {
  const Var<double> w = parameter(Tensor<double>{3.0}, "w");
  {
    auto tape = std::make_unique<Tape>();
    auto first = std::make_unique<NoGrad>();
    auto second = std::make_unique<NoGrad>();
    first.reset();
    CHECK_FALSE(Tape::is_recording());
    tape.reset();
    second.reset();
    CHECK_FALSE(Tape::is_recording());  // there is no tape that could
    static_cast<void>(square(w));
  }
  {
    auto no_grad = std::make_unique<NoGrad>();
    const Tape tape;  // begins inside: records
    CHECK(Tape::is_recording());
    no_grad.reset();
    CHECK(Tape::is_recording());
    const NoGrad later;
    CHECK_FALSE(Tape::is_recording());
  }
  {
    auto first = std::make_unique<DetectNonfinite>();
    auto second = std::make_unique<DetectNonfinite>();
    first.reset();
    CHECK(DetectNonfinite::active());
    second.reset();
    CHECK_FALSE(DetectNonfinite::active());
  }
  {
    auto first = std::make_unique<TrackMemory>();
    auto second = std::make_unique<TrackMemory>();
    Tape tape;
    const Var<double> y = exp(w);
    first.reset();
    CHECK(memory_report(tape).rows.size() == 1);
    second.reset();
    CHECK_THROWS_AS(memory_report(tape), TapeError);
  }
  CHECK(exp(w).value().size() == 1);
}

TEST_CASE("stop ends the recording of that tape alone") {
  Tape outer;
  {
    const Tape inner;
    outer.stop();
    CHECK(Tape::is_recording());
  }
  CHECK_FALSE(Tape::is_recording());
}

TEST_CASE("a tensor that was moved from has no elements") {
  Tensor<double> from{{1.0, 2.0}, {3.0, 4.0}};
  const Tensor<double> to = std::move(from);
  CHECK(to.size() == 4);
  CHECK(from.shape() == Shape{0});  // NOLINT(bugprone-use-after-move)
  CHECK(from.size() == 0);
  const Var<double> empty(from);
  CHECK(sum(exp(empty)).item() == 0.0);
  from = to;
  CHECK((from == to));
  IndexTensor labels{1, 2};
  const IndexTensor taken(std::move(labels));
  CHECK(labels.size() == 0);  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("ops of a user are told what they left out") {
  const Var<double> w = parameter(Tensor<double>{3.0}, "w");
  const Tape tape;
  const auto rule = [](const Var<double>& g) { return g; };
  CHECK_THROWS_AS(record("lost", Var<double>(), input(w, rule)), TapeError);
  std::vector<Var<double>> outputs(2);
  const auto joint = [](const VarList<double>&, const NeedsGrad&) { return VarList<double>(1); };
  CHECK_THROWS_AS(record_multi_output<double>("lost", outputs, {w}, joint), TapeError);
  CHECK_THROWS_AS(Var<double>(w).register_hook({}), ArgumentError);
  CHECK_THROWS_AS(gradcheck(GradcheckFunction(), {ones<double>({2})}), ArgumentError);
  CHECK_THROWS_AS(gradgradcheck(GradcheckFunctions(), {ones<double>({2})}), ArgumentError);
}

TEST_CASE("a NoGrad that ends before a later one leaves that in force") {
  auto first = std::make_unique<NoGrad>();
  const Tape tape;
  const NoGrad later;
  first.reset();
  CHECK_FALSE(Tape::is_recording());
}

TEST_CASE("a tape that outlives its thread ends while another thread is at work") {
  std::atomic<bool> done = false;
  for (int round = 0; round < 20; ++round) {
    std::unique_ptr<Tape> left;
    std::thread([&] { left = std::make_unique<Tape>(); }).join();
    // The system gives the next thread the memory of the one that has ended.
    std::atomic<bool> begun = false;
    done = false;
    std::thread worker([&] {
      while (!done) {
        const Var<double> own = parameter(Tensor<double>{2.0});
        Tape tape;
        Var<double> y = own;
        for (int op = 0; op < 50; ++op) y = square(y) * 0.5;
        begun = true;
        tape.backward(y);
      }
    });
    while (!begun) std::this_thread::yield();
    left.reset();
    done = true;
    worker.join();
    CHECK_FALSE(Tape::is_recording());
  }
}
