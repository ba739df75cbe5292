// The workloads by oneDNN's training primitives for RNN, LSTM and GRU (linear before reset). Weights are
// reordered into the primitive's layout at every step, because they change at every step.
#include <dnnl.hpp>
#include <memory>

#include "workloads.hpp"

namespace unroll::bench {
namespace {

using dnnl::memory;

// One layer of an RNN: forward, backward, SGD on the weights.
class Layer {
 public:
  Layer(const dnnl::engine& engine, const dnnl::stream& stream, const Workload& w, std::size_t input)
      : stream_(stream) {
    const auto n = [](std::size_t v) { return static_cast<memory::dim>(v); };
    const std::size_t gates = w.cell == CellKind::lstm ? 4 : w.cell == CellKind::gru ? 3 : 1;
    const auto T = n(w.T), B = n(w.B), I = n(input), H = n(w.H), G = n(gates);
    const auto biases = w.cell == CellKind::gru ? G + 1 : G;
    using tag = memory::format_tag;
    const auto f32 = memory::data_type::f32;
    const memory::desc src({T, B, I}, f32, tag::tnc), dst({T, B, H}, f32, tag::tnc),
        iter({1, 1, B, H}, f32, tag::ldnc), bias({1, 1, biases, H}, f32, tag::ldgo),
        layer({1, 1, I, G, H}, f32, tag::ldigo), recurrent({1, 1, H, G, H}, f32, tag::ldigo),
        any_layer({1, 1, I, G, H}, f32, tag::any), any_recurrent({1, 1, H, G, H}, f32, tag::any), none;
    const auto kind = dnnl::prop_kind::forward_training, back = dnnl::prop_kind::backward;
    const auto direction = dnnl::rnn_direction::unidirectional_left2right;
    const bool lstm = w.cell == CellKind::lstm;
    src_layer_ = memory(src, engine), dst_layer_ = memory(dst, engine);

    weights_layer_ = memory(layer, engine), weights_iter_ = memory(recurrent, engine),
    bias_ = memory(bias, engine);
    diff_layer_ = memory(layer, engine), diff_iter_ = memory(recurrent, engine),
    diff_bias_ = memory(bias, engine);
    diff_src_ = memory(src, engine), diff_dst_ = memory(dst, engine);
    for (auto* m : {&weights_layer_, &weights_iter_}) fill(*m, 0.1, 2);
    fill(src_layer_, 1.0, 3), fill(bias_, 0.0, 4), fill(diff_dst_, 1e-3, 5);

    const auto use = [&](const auto& f, const auto& b, const dnnl::primitive& forward,
                         const dnnl::primitive& backward) {
      run_forward_ = forward, run_backward_ = backward;
      forward_layer_ = memory(f.weights_layer_desc(), engine),
      forward_iter_ = memory(f.weights_iter_desc(), engine);
      backward_layer_ = memory(b.weights_layer_desc(), engine),
      backward_iter_ = memory(b.weights_iter_desc(), engine);
      computed_layer_ = memory(b.diff_weights_layer_desc(), engine);
      computed_iter_ = memory(b.diff_weights_iter_desc(), engine);
      workspace_ = memory(f.workspace_desc(), engine);
    };
    if (lstm) {
      const dnnl::lstm_forward::primitive_desc f(
          {kind, direction, src, none, none, any_layer, any_recurrent, bias, dst, none, none}, engine);
      const dnnl::lstm_backward::primitive_desc b(
          {back, direction, src,  none, none,      any_layer,     any_recurrent, bias, dst,  none,
           none, src,       none, none, any_layer, any_recurrent, bias,          dst,  none, none},
          engine, f);
      use(f, b, dnnl::lstm_forward(f), dnnl::lstm_backward(b));
    } else if (w.cell == CellKind::gru) {
      const dnnl::lbr_gru_forward::primitive_desc f(
          {kind, direction, src, none, any_layer, any_recurrent, bias, dst, none}, engine);
      const dnnl::lbr_gru_backward::primitive_desc b(
          {back, direction, src, none, any_layer, any_recurrent, bias, dst, none, src, none, any_layer,
           any_recurrent, bias, dst, none},
          engine, f);
      use(f, b, dnnl::lbr_gru_forward(f), dnnl::lbr_gru_backward(b));
    } else {
      const auto tanh = dnnl::algorithm::eltwise_tanh;
      const dnnl::vanilla_rnn_forward::primitive_desc f(
          {kind, tanh, direction, src, none, any_layer, any_recurrent, bias, dst, none}, engine);
      const dnnl::vanilla_rnn_backward::primitive_desc b(
          {back, tanh, direction, src, none, any_layer, any_recurrent, bias, dst, none, src, none, any_layer,
           any_recurrent, bias, dst, none},
          engine, f);
      use(f, b, dnnl::vanilla_rnn_forward(f), dnnl::vanilla_rnn_backward(b));
    }
  }

  void forward() {
    copy(weights_layer_, forward_layer_), copy(weights_iter_, forward_iter_);
    run_forward_.execute(stream_, {{DNNL_ARG_SRC_LAYER, src_layer_},
                                   {DNNL_ARG_WEIGHTS_LAYER, forward_layer_},
                                   {DNNL_ARG_WEIGHTS_ITER, forward_iter_},
                                   {DNNL_ARG_BIAS, bias_},
                                   {DNNL_ARG_DST_LAYER, dst_layer_},
                                   {DNNL_ARG_WORKSPACE, workspace_}});
  }
  void backward() {
    copy(weights_layer_, backward_layer_), copy(weights_iter_, backward_iter_);
    for (auto* m : {&computed_layer_, &computed_iter_, &diff_bias_}) fill(*m, 0.0, 0);  // the primitive adds
    run_backward_.execute(stream_, {{DNNL_ARG_SRC_LAYER, src_layer_},
                                    {DNNL_ARG_WEIGHTS_LAYER, backward_layer_},
                                    {DNNL_ARG_WEIGHTS_ITER, backward_iter_},
                                    {DNNL_ARG_BIAS, bias_},
                                    {DNNL_ARG_DST_LAYER, dst_layer_},
                                    {DNNL_ARG_WORKSPACE, workspace_},
                                    {DNNL_ARG_DIFF_SRC_LAYER, diff_src_},
                                    {DNNL_ARG_DIFF_WEIGHTS_LAYER, computed_layer_},
                                    {DNNL_ARG_DIFF_WEIGHTS_ITER, computed_iter_},
                                    {DNNL_ARG_DIFF_BIAS, diff_bias_},
                                    {DNNL_ARG_DIFF_DST_LAYER, diff_dst_}});
    copy(computed_layer_, diff_layer_), copy(computed_iter_, diff_iter_);
  }
  void update() {
    descend(weights_layer_, diff_layer_), descend(weights_iter_, diff_iter_), descend(bias_, diff_bias_);
    stream_.wait();
  }
  memory& input() { return src_layer_; }
  memory& output() { return dst_layer_; }
  memory& input_gradient() { return diff_src_; }
  memory& output_gradient() { return diff_dst_; }
  void copy(const memory& from, memory& to) {
    dnnl::reorder(from, to).execute(stream_, const_cast<memory&>(from), to);
  }

 private:
  static std::size_t count(const memory& m) { return m.get_desc().get_size() / sizeof(float); }
  static void fill(memory& m, double scale, unsigned seed) {
    auto* to = static_cast<float*>(m.get_data_handle());
    if (scale == 0.0) {
      std::fill_n(to, count(m), 0.0F);
      return;
    }
    const auto values = numbers<float>(count(m), scale, seed);
    std::copy(values.begin(), values.end(), to);
  }
  static void descend(memory& p, memory& g) {
    auto* to = static_cast<float*>(p.get_data_handle());
    const auto* from = static_cast<const float*>(g.get_data_handle());
    for (std::size_t i = 0, n = count(p); i < n; ++i) to[i] -= 1e-3F * from[i];
  }

  dnnl::stream stream_;
  dnnl::primitive run_forward_, run_backward_;
  memory src_layer_, dst_layer_, diff_src_, diff_dst_, weights_layer_, weights_iter_, bias_, diff_layer_,
      diff_iter_, diff_bias_, forward_layer_, forward_iter_, backward_layer_, backward_iter_, computed_layer_,
      computed_iter_, workspace_;
};

struct Training {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::vector<std::unique_ptr<Layer>> layers;
  explicit Training(const Workload& w) {
    for (std::size_t l = 0; l < w.layers; ++l) {
      layers.push_back(std::make_unique<Layer>(engine, stream, w, l == 0 ? w.I : w.H));
    }
  }
  void step() {
    for (std::size_t l = 0; l < layers.size(); ++l) {
      if (l > 0) layers[l]->copy(layers[l - 1]->output(), layers[l]->input());
      layers[l]->forward();
    }
    for (std::size_t l = layers.size(); l-- > 0;) {
      layers[l]->backward();
      if (l > 0) layers[l]->copy(layers[l]->input_gradient(), layers[l - 1]->output_gradient());
    }
    for (auto& layer : layers) layer->update();
  }
};

}  // namespace

void add_onednn(std::vector<Variant>& list) {
  for (const Workload& w : kWorkloads) {
    if (w.classes > 0 || w.streaming || w.directions == 2 || std::string(w.name) == "W2")
      continue;  // only one direction
    list.push_back({w.name, "onednn", "float", 1, 1.0,
                    [w] { return [model = std::make_shared<Training>(w)] { model->step(); }; }});
  }
}

}  // namespace unroll::bench
