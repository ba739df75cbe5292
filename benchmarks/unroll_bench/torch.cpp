// The workloads by libtorch: its layers, and an LSTM cell written in its ops.
#include <torch/torch.h>

#include <memory>

#include "workloads.hpp"

namespace unroll::bench {
namespace {

torch::Tensor tensor_of(std::vector<std::int64_t> shape, double scale, unsigned seed) {
  std::int64_t count = 1;
  for (const std::int64_t d : shape) count *= d;
  auto values = numbers<float>(static_cast<std::size_t>(count), scale, seed);
  return torch::from_blob(values.data(), shape, torch::kFloat32).clone();
}

std::int64_t size(std::size_t n) { return static_cast<std::int64_t>(n); }

// Outputs (T,B,H) of one of torch's layers.
struct Layer {
  torch::nn::LSTM lstm{nullptr};
  torch::nn::GRU gru{nullptr};
  torch::nn::RNN rnn{nullptr};
  explicit Layer(const Workload& w) {
    const auto I = size(w.I), H = size(w.H), L = size(w.layers);
    const bool two = w.directions == 2;
    if (w.cell == CellKind::lstm)
      lstm = torch::nn::LSTM(torch::nn::LSTMOptions(I, H).num_layers(L).bidirectional(two));
    if (w.cell == CellKind::gru)
      gru = torch::nn::GRU(torch::nn::GRUOptions(I, H).num_layers(L).bidirectional(two));
    if (w.cell == CellKind::rnn)
      rnn = torch::nn::RNN(torch::nn::RNNOptions(I, H).num_layers(L).bidirectional(two));
  }
  torch::Tensor operator()(const torch::Tensor& x) {
    if (lstm) return std::get<0>(lstm(x));
    if (gru) return std::get<0>(gru(x));
    return std::get<0>(rnn(x));
  }
  std::vector<torch::Tensor> parameters() const {
    return lstm ? lstm->parameters() : gru ? gru->parameters() : rnn->parameters();
  }
};

// An LSTM as a user writes it in ops, one layer after the other.
struct OpsLstm {
  std::vector<torch::Tensor> weight_ih, weight_hh, bias;
  std::size_t H;
  explicit OpsLstm(const Workload& w) : H(w.H) {
    for (std::size_t l = 0; l < w.layers; ++l) {
      const auto I = size(l == 0 ? w.I : w.H), G = size(4 * w.H);
      weight_ih.push_back(tensor_of({G, I}, 0.1, 1).requires_grad_());
      weight_hh.push_back(tensor_of({G, size(w.H)}, 0.1, 2).requires_grad_());
      bias.push_back(torch::zeros({G}).requires_grad_());
    }
  }
  torch::Tensor operator()(torch::Tensor x) {
    for (std::size_t l = 0; l < bias.size(); ++l) {
      torch::Tensor h = torch::zeros({x.size(1), size(H)}), c = torch::zeros({x.size(1), size(H)});
      std::vector<torch::Tensor> outputs;
      for (const torch::Tensor& x_t : x.unbind(0)) {
        const auto a =
            (torch::linear(x_t, weight_ih[l], bias[l]) + torch::linear(h, weight_hh[l])).chunk(4, 1);
        c = torch::sigmoid(a[1]) * c + torch::sigmoid(a[0]) * torch::tanh(a[2]);
        h = torch::sigmoid(a[3]) * torch::tanh(c);
        outputs.push_back(h);
      }
      x = torch::stack(outputs, 0);
    }
    return x;
  }
  std::vector<torch::Tensor> parameters() const {
    std::vector<torch::Tensor> all;
    for (const auto* list : {&weight_ih, &weight_hh, &bias})
      all.insert(all.end(), list->begin(), list->end());
    return all;
  }
};

template <class Model>
struct Training {
  Workload w;
  Model model;
  torch::nn::Linear head{nullptr};
  torch::Tensor x, y, upstream;
  std::unique_ptr<torch::optim::SGD> optimizer;

  explicit Training(const Workload& workload) : w(workload), model(workload) {
    const bool scalar = std::string(w.name) == "W2";
    const auto B = size(w.B), classes = size(scalar ? 1 : w.classes);
    if (classes > 0) head = torch::nn::Linear(size(w.H), classes);
    x = tensor_of({size(w.T), B, size(w.I)}, 1.0, 3);
    upstream = tensor_of({size(w.T), B, size(w.directions * w.H)}, 1e-3, 4);
    y = scalar ? tensor_of({size(w.T), B, 1}, 1.0, 5) : torch::arange(B) % std::max<std::int64_t>(classes, 1);
    auto parameters = model.parameters();
    if (head) {
      for (const auto& p : head->parameters()) parameters.push_back(p);
    }
    optimizer = std::make_unique<torch::optim::SGD>(parameters, torch::optim::SGDOptions(1e-3));
  }
  void step() {
    optimizer->zero_grad();
    const torch::Tensor out = model(x);
    if (!head) {
      out.backward(upstream);
    } else if (w.classes == 0) {
      (torch::mse_loss(head(out), y) * 0.5).backward();
    } else {
      torch::nn::functional::cross_entropy(head(out[out.size(0) - 1]), y).backward();
    }
    optimizer->step();
  }
};

struct Stream {
  torch::nn::LSTM lstm;
  torch::Tensor x;
  std::tuple<torch::Tensor, torch::Tensor> state;
  explicit Stream(const Workload& w)
      : lstm(torch::nn::LSTMOptions(size(w.I), size(w.H))),
        x(tensor_of({1, 1, size(w.I)}, 1.0, 3)),
        state(torch::zeros({1, 1, size(w.H)}), torch::zeros({1, 1, size(w.H)})) {}
  void step() {
    const torch::NoGradGuard no_grad;
    state = std::get<1>(lstm(x, state));
  }
};

template <class Model>
std::function<Step()> maker(const Workload& w) {
  return [w] {
    torch::set_num_threads(1);
    return [model = std::make_shared<Model>(w)] { model->step(); };
  };
}

}  // namespace

void add_torch(std::vector<Variant>& list) {
  for (const Workload& w : kWorkloads) {
    list.push_back(
        {w.name, "libtorch", "float", 1, 1.0, w.streaming ? maker<Stream>(w) : maker<Training<Layer>>(w)});
    if (w.cell == CellKind::lstm && !w.streaming && w.directions == 1)
      list.push_back({w.name, "libtorch-ops", "float", 1, 1.0, maker<Training<OpsLstm>>(w)});
  }
}

}  // namespace unroll::bench
