// C1-C6: layers without a kernel for their options, against the library's LSTM of the same shape.
#include <memory>

#include "examples/gallery/indrnn.hpp"
#include "examples/gallery/mingru.hpp"
#include "examples/gallery/slstm.hpp"
#include "examples/gallery/sru.hpp"
#include "unroll.hpp"
#include "workloads.hpp"

namespace unroll::bench {
namespace {

template <class S>
struct State {
  using Scalar = S;
  Var<S> h, c;
  static void each(auto& self, auto&& visit) {
    visit("h", self.h);
    visit("c", self.c);
  }
};

// An LSTM as a user writes it in ops.
template <class S>
struct LstmInOps : MoveOnly {
  using State = bench::State<S>;
  CellSizes options;
  Linear<S> of_input, of_state;

  LstmInOps() = default;
  LstmInOps(CellSizes sizes, Rng& rng)
      : options(sizes),
        of_input(sizes.input, 4 * sizes.hidden, rng),
        of_state(sizes.hidden, 4 * sizes.hidden, rng) {}
  State step(const Var<S>& x, const State& s) const {
    const auto a = chunk(of_input(x) + of_state(s.h), 4, 1);
    const auto c = sigmoid(a[1]) * s.c + sigmoid(a[0]) * tanh(a[2]);
    return {sigmoid(a[3]) * tanh(c), c};
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("of_input", self.of_input);
    visit("of_state", self.of_state);
  }
};

// A minimal gated unit, with x and h side by side.
template <class S>
struct MguInOps : MoveOnly {
  CellSizes options;
  Linear<S> forget, candidate;

  MguInOps() = default;
  MguInOps(CellSizes sizes, Rng& rng)
      : options(sizes),
        forget(sizes.input + sizes.hidden, sizes.hidden, rng),
        candidate(sizes.input + sizes.hidden, sizes.hidden, rng) {}
  Var<S> step(const Var<S>& x, const Var<S>& h) const {
    const Var<S> f = sigmoid(forget(concat({x, h}, 1)));
    const Var<S> n = tanh(candidate(concat({x, f * h}, 1)));
    return (1.0 - f) * h + f * n;
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("forget", self.forget);
    visit("candidate", self.candidate);
  }
};

// Forward, backward for an upstream gradient of the output, SGD.
template <class Layer>
Step training_step(const CellWorkload& w, typename Layer::CellOptions cell, RecurrentOptions options,
                   Path path) {
  using S = typename Layer::Scalar;
  Rng rng(1);
  cell.input = static_cast<Index>(w.I);
  cell.hidden = static_cast<Index>(w.H);
  options.path = path;
  auto layer = std::make_shared<Layer>(cell, options, rng);
  auto sgd = std::make_shared<Sgd<S>>(parameters(*layer), SgdOptions{.lr = 1e-3});
  const Var<S> x(from_values<S>({w.T, w.B, w.I}, numbers<S>(w.T * w.B * w.I, 1.0, 3)));
  const Var<S> upstream(from_values<S>({w.T, w.B, w.H}, numbers<S>(w.T * w.B * w.H, 1e-3, 4)));
  return [=] {
    const Tape tape;
    Tape::current()->backward((*layer)(x).output, upstream);
    sgd->step();
  };
}

template <class Layer>
void add(std::vector<Variant>& list, const CellWorkload& w, const std::string& name,
         typename Layer::CellOptions cell = {}, RecurrentOptions options = {}) {
  const char* scalar = std::is_same_v<typename Layer::Scalar, float> ? "float" : "double";
  const auto variant = [&](const std::string& called, Path path) {
    list.push_back(
        {w.name, called, scalar, 1, 1.0, [=] { return training_step<Layer>(w, cell, options, path); }});
  };
  variant(name, Path::automatic);
  if (name != "unroll") variant(name + "-tape", Path::tape);
}

template <class S>
void add_all(std::vector<Variant>& list) {
  for (const CellWorkload& w : kCellWorkloads) {
    add<Lstm<S>>(list, w, "unroll");
    add<Recurrent<LstmInOps<S>>>(list, w, "lstm-ops");
    add<Lstm<S>>(list, w, "layer-norm", {.layer_norm = true});
    add<Lstm<S>>(list, w, "peepholes", {.peepholes = true});
    add<Lstm<S>>(list, w, "coupled", {.coupled = true});
    add<Lstm<S>>(list, w, "softplus", {.output_activation = Activation::softplus()});
    add<Lstm<S>>(list, w, "zoneout", {}, {.zoneout_hidden = 0.1, .zoneout_cell = 0.1});
    add<Lstm<S>>(list, w, "dropout", {}, {.recurrent_dropout = 0.2});
    add<Recurrent<MguInOps<S>>>(list, w, "mgu-ops");
    add<Recurrent<gallery::MinGruCell<S>>>(list, w, "mingru");
    add<Recurrent<gallery::SruCell<S>>>(list, w, "sru");
    add<Recurrent<gallery::IndRnnCell<S>>>(list, w, "indrnn", {.activation = Activation::tanh()});
    add<Recurrent<gallery::SlstmCell<S>>>(list, w, "slstm");
  }
}

}  // namespace

void add_cells(std::vector<Variant>& list) {
  add_all<float>(list);
  add_all<double>(list);
}

}  // namespace unroll::bench
