#include <catch2/catch.hpp>

#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"
#include "framework/ops.hpp"

using namespace unroll;
using Vars = std::vector<Var<double>>;

namespace {

struct Seen {
  int calls = 0;
  std::vector<bool> upstream, needs_grad;
};

// (a, b) -> (a b, a + b) as one op with two outputs.
Vars product_and_sum(const Var<double>& a, const Var<double>& b, Seen* seen = nullptr) {
  Vars outputs{Var<double>(Tensor<double>(a.value() * b.value())),
               Var<double>(Tensor<double>(a.value() + b.value()))};
  record_multi_output<double>("product_and_sum", outputs, {a, b},
                              [a, b, seen](const VarList<double>& g, const NeedsGrad& needs_grad) {
                                if (seen != nullptr) {
                                  ++seen->calls;
                                  seen->upstream = {g[0].defined(), g[1].defined()};
                                  seen->needs_grad.assign(needs_grad.begin(), needs_grad.end());
                                }
                                VarList<double> result(2);
                                for (int i = 0; i < 2; ++i) {
                                  const auto k = static_cast<std::size_t>(i);
                                  if (!needs_grad[k]) continue;
                                  if (g[0].defined()) result[k] = g[0] * (i == 0 ? b : a);
                                  if (g[1].defined())
                                    result[k] = result[k].defined() ? result[k] + g[1] : g[1];
                                }
                                return result;
                              });
  return outputs;
}

}  // namespace

TEST_CASE("an op with several outputs has every derivative, whichever outputs are used") {
  const std::vector<Tensor<double>> inputs{{1.5, -0.4, 0.8}, {0.3, 0.9, -0.7}};
  const auto both = [](const Vars& v) { return product_and_sum(v[0], v[1]); };
  const auto first = [](const Vars& v) { return product_and_sum(v[0], v[1])[0]; };
  const auto second = [](const Vars& v) { return exp(product_and_sum(v[0], v[1])[1]); };
  const auto mixed = [](const Vars& v) {
    const Vars y = product_and_sum(v[0], v[1]);
    return y[0] * y[1] + y[0];
  };
  for (const auto& report :
       {gradcheck(both, inputs), gradgradcheck(both, inputs), gradcheck(first, inputs),
        gradgradcheck(first, inputs), gradcheck(second, inputs), gradgradcheck(second, inputs),
        gradcheck(mixed, inputs), gradgradcheck(mixed, inputs)}) {
    INFO(report.message);
    CHECK(report);
  }
}

TEST_CASE("a rule of several outputs runs once, when all gradients are there, and hears what is missing") {
  const Var<double> a = parameter(Tensor<double>{2.0}), b = parameter(Tensor<double>{5.0});
  const Var<double> constant(Tensor<double>{7.0});
  Seen seen;
  {
    Tape tape;
    const Vars y = product_and_sum(a, b, &seen);
    tape.backward(y[0] * y[1] + y[1] * 3.0 + y[0]);
    CHECK(seen.calls == 1);
    CHECK(seen.upstream == std::vector<bool>{true, true});
    CHECK(seen.needs_grad == std::vector<bool>{true, true});
    // d/da of ab(a+b) + 3(a+b) + ab = 2ab + b^2 + 3 + b
    CHECK(a.grad()(0) == 20.0 + 25.0 + 3.0 + 5.0);
    CHECK(b.grad()(0) == 20.0 + 4.0 + 3.0 + 2.0);
  }
  {
    Tape tape;
    const Vars y = product_and_sum(a, constant, &seen);
    tape.backward(y[1]);
    CHECK(seen.upstream == std::vector<bool>{false, true});
    CHECK(seen.needs_grad == std::vector<bool>{true, false});
    CHECK(a.grad()(0) == 1.0);
    // Seeded at the first output, the pass ends before the second.
    tape.backward(y[0]);
    CHECK(seen.upstream == std::vector<bool>{true, false});
    CHECK(a.grad()(0) == 8.0);
    CHECK(seen.calls == 3);
  }
  {
    Tape tape;
    const Vars y = product_and_sum(a, b, &seen);
    const Var<double> unrelated = a * 2.0;
    tape.backward(unrelated);
    CHECK(seen.calls == 3);
    const Vars g = gradients<double>({y[0] + y[1]}, {y[0], y[1], b});
    CHECK(seen.calls == 4);
    CHECK(seen.needs_grad == std::vector<bool>{false, true});
    CHECK(g[0].item() == 1.0);
    CHECK(g[1].item() == 1.0);
    CHECK(g[2].item() == 3.0);
  }
}

TEST_CASE("a rule of several outputs that returns too few gradients is refused") {
  const Var<double> a = parameter(Tensor<double>{2.0});
  Tape tape;
  Vars y{Var<double>(a.value()), Var<double>(a.value())};
  record_multi_output<double>("short", y, {a},
                              [](const VarList<double>&, const NeedsGrad&) { return VarList<double>{}; });
  CHECK_THROWS_AS(tape.backward(y[0]), TapeError);
}
