// Seed 000: an LSTM cell for one row vector, forward and backward. Right there; the notebook prints shapes
// only.
#include <catch2/catch.hpp>

#include "framework/numpy_random.hpp"
#include "optim/sgd.hpp"
#include "seeds/near.hpp"
#include "seeds/numpy_text.hpp"
#include "seeds/seed_layers.hpp"

using namespace unroll;
using namespace unroll::seeds;

namespace {

constexpr std::size_t kInput = 3, kHidden = 4;

// One gate's weights as the notebook draws them.
struct Gate {
  Var<double> w, u, b;
  explicit Gate(NumpyRng& rng)
      : w(parameter(Tensor<double>(rng.randn({kInput, kHidden}) * 0.1), "W")),
        u(parameter(Tensor<double>(rng.randn({kHidden, kHidden}) * 0.1), "U")),
        b(parameter(zeros<double>({kHidden}), "b")) {}
  GateWeights weights() const { return gate_from_rows(w, u, b); }
  // x W + h U + b
  Var<double> operator()(const Var<double>& x, const Var<double>& h) const {
    return matmul(x, w) + matmul(h, u) + b;
  }
};

// The gradients of one gate from that of its sum a, as the notebook writes them.
void check_gate(const Gate& gate, const Var<double>& da, const Var<double>& x, const Var<double>& h) {
  CHECK(difference(gate.w.grad(), matmul(x, da, {.transpose_a = true}).value()) < 1e-13);
  CHECK(difference(gate.u.grad(), matmul(h, da, {.transpose_a = true}).value()) < 1e-13);
  CHECK(difference(gate.b.grad(), reshape(da, {-1}).value()) < 1e-13);
}

}  // namespace

TEST_CASE(
    "seed 000's LSTM cell: the library gives the notebook's forward and backward, by tape and by kernel") {
  for (const Path path : {Path::tape, Path::fused}) {
    NumpyRng rng(0);
    const Gate f(rng), i(rng), o(rng), c(rng);
    const Var<double> x = parameter(rng.randn({1, kInput}));
    // The notebook begins with zeros, in which U's gradient vanishes; here the state is something.
    const Var<double> h0 = parameter(rng.randn({1, kHidden})), c0 = parameter(rng.randn({1, kHidden}));
    const Var<double> dh(rng.randn({1, kHidden})), dc(rng.randn({1, kHidden}));

    Tape tape;
    const auto lstm =
        make_lstm({.f = f.weights(), .i = i.weights(), .o = o.weights(), .c = c.weights()}, {.path = path});
    const auto [output, states] = lstm(unsqueeze(x, 0), {.states = {{h0, c0}}, .lengths = {}});
    const auto& [h1, c1] = states[0];
    tape.backward(sum(dh * h1) + sum(dc * c1));
    tape.stop();

    const Var<double> ft = sigmoid(f(x, h0)), it = sigmoid(i(x, h0)), ot = sigmoid(o(x, h0)),
                      gt = tanh(c(x, h0));
    const Var<double> ct = ft * c0 + it * gt;
    CHECK(difference(c1.value(), ct.value()) < 1e-13);
    CHECK(difference(h1.value(), (ot * tanh(ct)).value()) < 1e-13);

    const Var<double> dc_total = dc + dh * ot * (1.0 - square(tanh(ct)));
    const Var<double> daf = dc_total * c0 * ft * (1.0 - ft), dai = dc_total * gt * it * (1.0 - it);
    const Var<double> dao = dh * tanh(ct) * ot * (1.0 - ot), dag = dc_total * it * (1.0 - square(gt));
    check_gate(f, daf, x, h0);
    check_gate(i, dai, x, h0);
    check_gate(o, dao, x, h0);
    check_gate(c, dag, x, h0);
    const auto back = [&](const Var<double> Gate::*weight) {
      const auto times = [](const Var<double>& da, const Var<double>& w) {
        return matmul(da, w, {.transpose_b = true});
      };
      return times(daf, f.*weight) + times(dai, i.*weight) + times(dao, o.*weight) + times(dag, c.*weight);
    };
    CHECK(difference(x.grad(), back(&Gate::w).value()) < 1e-13);
    CHECK(difference(h0.grad(), back(&Gate::u).value()) < 1e-13);
    CHECK(difference(c0.grad(), (dc_total * ft).value()) < 1e-13);

    CHECK("h1 shape: " + numpy_shape_text(squeeze(h1).shape()) == "h1 shape: (4,)");
    CHECK("dx shape: " + numpy_shape_text(Var<double>(squeeze(x)).shape()) == "dx shape: (3,)");
    CHECK("dWf shape: " + numpy_shape_text(f.w.grad().shape()) == "dWf shape: (3, 4)");

    // The update that the notebook ends with.
    const Tensor<double> before = f.w.value(), gradient = f.w.grad();
    Sgd<double>({f.w}, {.lr = 0.01}).step();
    CHECK(difference(f.w.value(), Tensor<double>(before - 0.01 * gradient)) < 1e-15);
  }
}
