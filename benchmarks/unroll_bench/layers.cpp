// The workloads by Unroll's public API, as a user writes them.
#include <memory>

#include "unroll.hpp"
#include "workloads.hpp"

namespace unroll::bench {
namespace {

template <class S>
Tensor<S> random_tensor(const Shape& shape, double scale, unsigned seed) {
  return from_values<S>(shape, numbers<S>(element_count(shape), scale, seed));
}

// W1 and W4: the last h through a linear layer, cross-entropy.
template <class Layer>
struct Classifier {
  using S = typename Layer::Scalar;
  Rng rng{1};
  Layer layer;
  Linear<S> head;
  Sgd<S> optimizer;
  Var<S> x;
  IndexTensor y;

  explicit Classifier(const Workload& w)
      : layer({.input = Index(w.I), .hidden = Index(w.H)}, rng),
        head(Index(w.H), Index(w.classes), rng),
        optimizer(parameters(layer, head), {.lr = 1e-3}),
        x(random_tensor<S>({w.T, w.B, w.I}, 1.0, 3)),
        y(Shape{w.B}) {
    for (std::size_t r = 0; r < w.B; ++r) y.data()[r] = std::int64_t(r % w.classes);
  }
  void step() {
    Tape tape;
    const auto loss = cross_entropy(head(last(layer(x))), y);
    tape.backward(loss);
    optimizer.step();
  }
};

// W2: y_t = v h_t + c, half the mean squared error against the next value.
template <class S>
struct ScalarRnn {
  Rng rng{1};
  Rnn<S> layer{{.input = 1, .hidden = 1}, rng};
  Linear<S> head{1, 1, rng};
  Sgd<S> optimizer{parameters(layer, head), {.lr = 1e-3}};
  Var<S> x{from_values<S>({3, 1, 1}, {S(0.1), S(0.2), S(0.3)})};
  Var<S> target{from_values<S>({3, 1, 1}, {S(0.2), S(0.3), S(0.4)})};
  explicit ScalarRnn(const Workload&) {}
  void step() {
    Tape tape;
    const auto loss = mse_loss(head(layer(x).output), target) * 0.5;
    tape.backward(loss);
    optimizer.step();
  }
};

// The layer alone: an upstream gradient for its output replaces the rest of a model.
template <class Layer>
struct LayerAlone {
  using S = typename Layer::Scalar;
  Rng rng{1};
  Layer layer;
  Sgd<S> optimizer;
  Var<S> x, upstream;
  explicit LayerAlone(const Workload& w)
      : layer({.input = Index(w.I), .hidden = Index(w.H)},
              {.layers = Index(w.layers), .bidirectional = w.directions == 2}, rng),
        optimizer(parameters(layer), {.lr = 1e-3}),
        x(random_tensor<S>({w.T, w.B, w.I}, 1.0, 3)),
        upstream(random_tensor<S>({w.T, w.B, w.directions * w.H}, 1e-3, 4)) {}
  void step() {
    Tape tape;
    const auto y = layer(x).output;
    tape.backward(y, upstream);
    optimizer.step();
  }
};

// W9: one step of a stream, no tape.
template <class Layer>
struct Stream {
  using S = typename Layer::Scalar;
  Rng rng{1};
  Layer layer;
  Var<S> x;
  States<typename Layer::State> states;
  explicit Stream(const Workload& w)
      : layer({.input = Index(w.I), .hidden = Index(w.H)}, rng), x(random_tensor<S>({1, w.I}, 1.0, 3)) {}
  void step() { states = layer.step(x, states).states; }
};

// W9 by a frozen step.
template <class S>
struct FrozenStream {
  std::vector<S> x;
  unroll::Stream<S> stream;
  explicit FrozenStream(const Workload& w) : x(numbers<S>(w.I, 1.0, 3)) {
    Rng rng{1};
    stream = freeze(Lstm<S>({.input = Index(w.I), .hidden = Index(w.H)}, rng));
  }
  void step() { stream.step(x); }
};

template <class Model>
std::function<Step()> maker(const Workload& w) {
  return [w] { return [model = std::make_shared<Model>(w)] { model->step(); }; };
}

// The model of a workload with this kind of layer.
template <class Layer>
std::function<Step()> model_of(const Workload& w) {
  if (w.streaming) return maker<Stream<Layer>>(w);
  if (w.classes > 0) return maker<Classifier<Layer>>(w);
  return maker<LayerAlone<Layer>>(w);
}

template <class S>
void add(std::vector<Variant>& list, const char* scalar) {
  for (const Workload& w : kWorkloads) {
    for (const int threads : {1, 2}) {
      if (threads == 2 && std::string(w.reference) == "hand") continue;
      auto make = w.cell == CellKind::lstm  ? model_of<Lstm<S>>(w)
                  : w.cell == CellKind::gru ? model_of<Gru<S>>(w)
                                            : model_of<Rnn<S>>(w);
      if (std::string(w.name) == "W2") make = maker<ScalarRnn<S>>(w);
      list.push_back({w.name, "unroll", scalar, threads, 1.0, make});
    }
    if (w.streaming) list.push_back({w.name, "unroll-stream", scalar, 1, 1.0, maker<FrozenStream<S>>(w)});
  }
}

// An LSTM as a user writes it in ops.
template <class S>
struct OpsLstmCell : MoveOnly {
  struct State {
    using Scalar = S;
    Var<S> h, c;
    static void each(auto& self, auto&& visit) {
      visit("h", self.h);
      visit("c", self.c);
    }
  };
  CellSizes options;
  Var<S> weight_ih, weight_hh, bias;

  OpsLstmCell() = default;
  OpsLstmCell(CellSizes sizes, Rng& rng) : options(sizes) {
    const auto H = static_cast<std::size_t>(sizes.hidden), I = static_cast<std::size_t>(sizes.input);
    const double bound = 1.0 / std::sqrt(double(H));
    weight_ih = parameter(random_uniform<S>({4 * H, I}, -bound, bound, rng));
    weight_hh = parameter(random_uniform<S>({4 * H, H}, -bound, bound, rng));
    bias = parameter(zeros<S>({4 * H}));
  }
  State step(const Var<S>& x, const State& s) const {
    const auto a = chunk(linear(x, weight_ih, bias) + linear(s.h, weight_hh), 4, 1);
    const auto c = sigmoid(a[1]) * s.c + sigmoid(a[0]) * tanh(a[2]);
    return {sigmoid(a[3]) * tanh(c), c};
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight_ih", self.weight_ih);
    visit("weight_hh", self.weight_hh);
    visit("bias", self.bias);
  }
};

template <class S>
void add_custom(std::vector<Variant>& list, const char* scalar) {
  for (const Workload& w : kWorkloads) {
    if (w.cell != CellKind::lstm || w.streaming) continue;
    list.push_back({w.name, "unroll-ops", scalar, 1, 1.0, model_of<Recurrent<OpsLstmCell<S>>>(w)});
  }
}

template <class S>
void add_chain(std::vector<Variant>& list, const char* scalar) {
  for (const std::size_t elements : kChainSizes) {
    const int ops = elements > 1024 ? 200 : 10000;
    list.push_back({"ops" + std::to_string(elements), "unroll", scalar, 1, double(ops), [=] {
                      const Var<S> x = parameter(full<S>({elements}, S(1)));
                      const Var<S> factor(full<S>({elements}, S(1.0001))),
                          offset(full<S>({elements}, S(-0.0001)));
                      return [=] {
                        Tape tape;
                        Var<S> y = x;
                        for (int i = 0; i < ops / 2; ++i) y = y * factor + offset;
                        tape.backward(y, factor);
                      };
                    }});
  }
}

}  // namespace

void add_layers(std::vector<Variant>& list) {
  add<float>(list, "float");
  add<double>(list, "double");
}

void add_custom_cells(std::vector<Variant>& list) {
  add_custom<float>(list, "float");
  add_custom<double>(list, "double");
}

void add_op_chains(std::vector<Variant>& list) {
  add_chain<float>(list, "float");
  add_chain<double>(list, "double");
}

}  // namespace unroll::bench
