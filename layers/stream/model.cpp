#include "layers/stream/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "framework/errors.hpp"
#include "layers/stream/kernel.hpp"

namespace unroll::detail {
namespace {

// Of every area of the memory: whole cache lines, and a block that may be read beyond the end.
template <class S>
std::size_t area(std::size_t size) {
  constexpr std::size_t kLine = 64 / sizeof(S);
  return (size + stream::kernels<S>().lanes + kLine - 1) / kLine * kLine;
}

template <class S>
void check_parameter(const LayerName& layer, const char* name, const Var<S>& parameter, const Shape& want) {
  if (parameter.shape() == want) return;
  throw ShapeError(fmt::format("[{}.freeze] {}: expected {}, got {}", layer.str(), name, to_string(want),
                               to_string(parameter.shape())));
}

// Adds the rows of some gates of from (gates * size, columns) to `to`, whose blocks are block_size numbers
// apart.
template <class S>
void pack(const S* from, std::size_t columns, std::size_t size, const std::vector<std::size_t>& gates,
          std::size_t block_size, S* to) {
  const std::size_t lanes = stream::kernels<S>().lanes;
  for (std::size_t unit = 0; unit < size; ++unit) {
    S* block = to + unit / lanes * block_size + unit % lanes;
    for (std::size_t k = 0; k < columns; ++k) {
      for (const std::size_t gate : gates) {
        *block += from[(gate * size + unit) * columns + k];
        block += lanes;
      }
    }
  }
}

// Room for blocks of a map with so many vectors of weights and of biases each.
template <class S>
StreamMap<S> empty_map(std::size_t size, std::size_t weights, std::size_t biases) {
  const std::size_t lanes = stream::kernels<S>().lanes, blocks = (size + lanes - 1) / lanes;
  return {size, blocks, zeros<S>({blocks * weights * lanes}), zeros<S>({blocks * biases * lanes})};
}

// y = W x + b, W (size, columns).
template <class S>
StreamMap<S> linear_map(const S* weight, const S* bias, std::size_t size, std::size_t columns) {
  const std::size_t lanes = stream::kernels<S>().lanes;
  StreamMap<S> map = empty_map<S>(size, columns, 1);
  pack(weight, columns, size, {0}, columns * lanes, map.weight.data());
  if (bias != nullptr) pack(bias, 1, size, {0}, lanes, map.bias.data());
  return map;
}

template <class S>
StreamLayer<S> build_layer(const LayerName& name, const StreamCell<S>& cell) {
  using Gates = std::vector<std::size_t>;
  const std::size_t lanes = stream::kernels<S>().lanes, I = cell.input, H = cell.hidden, P = cell.output;
  const bool after = cell.kind == StreamKind::gru_reset_after,
             before = cell.kind == StreamKind::gru_reset_before;
  const Gates all = after || before                 ? Gates{0, 1, 2}
                    : cell.kind == StreamKind::lstm ? Gates{0, 1, 2, 3}
                                                    : Gates{0};
  const Gates of_h = before ? Gates{0, 1} : all;  // the candidate reads r h then, by a map of its own
  check_parameter(name, "weight_ih", cell.weight_ih, {all.size() * H, I});
  check_parameter(name, "weight_hh", cell.weight_hh, {all.size() * H, P});
  const S* weight_hh = cell.weight_hh.data();

  StreamLayer<S> layer{.kind = cell.kind,
                       .z_keeps = cell.z_keeps,
                       .input = I,
                       .output = P,
                       .gates = {},
                       .second = {},
                       .h = 0,
                       .c = 0};
  // Reset after: what is added to W_hn h stands inside the reset, and so apart.
  const std::size_t biases = after ? 4 : all.size(), weights = I * all.size() + P * of_h.size();
  layer.gates = empty_map<S>(H, weights, biases);
  pack(cell.weight_ih.data(), I, H, all, weights * lanes, layer.gates.weight.data());
  pack(weight_hh, P, H, of_h, weights * lanes, layer.gates.weight.data() + I * all.size() * lanes);
  for (const Var<S>* bias : {&cell.bias_ih, &cell.bias_hh}) {
    if (!bias->defined()) continue;
    check_parameter(name, bias == &cell.bias_ih ? "bias_ih" : "bias_hh", *bias, {all.size() * H});
    S* to = layer.gates.bias.data();
    if (after && bias == &cell.bias_hh) {
      pack(bias->data(), 1, H, {0, 1}, biases * lanes, to);
      pack(bias->data(), 1, H, {2}, biases * lanes, to + 3 * lanes);
    } else {
      pack(bias->data(), 1, H, all, biases * lanes, to);
    }
  }
  if (before) layer.second = linear_map<S>(weight_hh + 2 * H * H, nullptr, H, H);
  if (cell.weight_hr.defined()) {
    check_parameter(name, "weight_hr", cell.weight_hr, {P, H});
    layer.second = linear_map<S>(cell.weight_hr.data(), nullptr, P, H);
  }
  return layer;
}

// The first `size` of every `width` numbers, without gaps. to may be from.
template <class S>
void close_gaps(const S* from, std::size_t rows, std::size_t size, std::size_t width, S* to) noexcept {
  for (std::size_t r = 0; r < rows; ++r) std::copy(from + r * width, from + r * width + size, to + r * size);
}

template <class S>
stream::Step<S> step_of(const StreamMap<S>& map, std::size_t rows, const stream::Rows<S>& x,
                        const stream::Rows<S>& h, S* output) noexcept {
  return {rows, map.blocks, x, h, map.weight.data(), map.bias.data(), output};
}

template <class S>
void run_layer(const StreamLayer<S>& layer, std::size_t rows, const S* x, S* memory, S* work,
               std::size_t work_size) noexcept {
  S* h = memory + layer.h;
  S* fresh = work;
  std::size_t width = layer.gates.blocks * layer.kernels->lanes;
  const auto step =
      step_of(layer.gates, rows, {x, layer.input, layer.input}, {h, layer.output, layer.output}, fresh);
  switch (layer.kind) {
    case StreamKind::rnn_tanh:
      layer.kernels->affine(step, stream::Nonlinearity::tanh);
      break;
    case StreamKind::rnn_relu:
      layer.kernels->affine(step, stream::Nonlinearity::relu);
      break;
    case StreamKind::lstm:
      layer.kernels->lstm(step, memory + layer.c);
      break;
    case StreamKind::gru_reset_after:
      layer.kernels->gru_reset_after(step, layer.z_keeps);
      break;
    case StreamKind::gru_reset_before:
      layer.kernels->gru_reset_before(step, layer.z_keeps, layer.second.weight.data(), work + work_size,
                                      work + 2 * work_size, work + 3 * work_size);
      break;
  }
  if (layer.kind == StreamKind::lstm && layer.second.size > 0) {
    const stream::Rows<S> m{fresh, layer.gates.size, width};
    fresh = work + work_size;
    layer.kernels->affine(step_of(layer.second, rows, m, {nullptr, 0, 0}, fresh), stream::Nonlinearity::none);
    width = layer.second.blocks * layer.kernels->lanes;
  }
  close_gaps(fresh, rows, layer.output, width, h);
}

}  // namespace

template <class S>
StreamPart StreamLayer<S>::part(std::size_t k) const noexcept {
  if (k == 0) return {"h", h, output, output};
  return {"c", c, gates.size, gates.blocks * kernels->lanes};
}

template <class S>
const S* StreamModel<S>::step(const S* x, S* memory) const noexcept {
  for (const StreamLayer<S>& layer : layers) {
    run_layer(layer, batch, x, memory, memory + work, work_size);
    x = memory + layer.h;
  }
  if (head.size == 0) return x;
  const std::size_t read = layers.back().output;
  kernels->affine(step_of(head, batch, {x, read, read}, {nullptr, 0, 0}, memory + result),
                  stream::Nonlinearity::none);
  close_gaps(memory + result, batch, head.size, head.blocks * kernels->lanes, memory + result);
  return memory + result;
}

template <class S>
std::shared_ptr<const StreamModel<S>> build_stream(const StreamSource<S>& source) {
  const LayerName& name = source.layer;
  if (source.batch < 1)
    throw ArgumentError(fmt::format("[{}.freeze] batch: expected >= 1, got {}", name.str(), source.batch));
  constexpr Index kMost = Index{1} << 32;  // so that the memory can be counted
  if (source.batch > kMost)
    throw ArgumentError(
        fmt::format("[{}.freeze] batch: expected <= {}, got {}", name.str(), kMost, source.batch));
  if (source.cells.empty()) {
    throw ArgumentError(
        fmt::format("[{}.freeze] layer: expected one with cells, got an empty one", name.str()));
  }
  const auto model = std::make_shared<StreamModel<S>>();
  const std::size_t B = model->batch = static_cast<std::size_t>(source.batch);
  model->input = source.cells.front().input;
  model->output = source.cells.back().output;
  if (source.has_head) {
    const Var<S>&weight = source.head_weight, &bias = source.head_bias;
    if (weight.dimension() != 2 || weight.shape()[1] != model->output) {
      throw ShapeError(
          fmt::format("[{}.freeze] head: expected a weight (O,{}) for the layer's output, got {}", name.str(),
                      model->output, to_string(weight.shape())));
    }
    const std::size_t O = weight.shape()[0];
    if (bias.defined()) check_parameter(name, "head.bias", bias, {O});
    model->head = linear_map<S>(weight.data(), bias.defined() ? bias.data() : nullptr, O, model->output);
    model->output = O;
  }

  std::size_t used = 0, widest = 0;
  const auto take = [&](std::size_t size) { return std::exchange(used, used + area<S>(size)); };
  for (const StreamCell<S>& cell : source.cells) {
    StreamLayer<S>& layer = model->layers.emplace_back(build_layer(name, cell));
    const std::size_t width = std::max(layer.gates.blocks, layer.second.blocks) * stream::kernels<S>().lanes;
    widest = std::max(widest, width);
    layer.h = take(B * layer.output);
    if (layer.kind == StreamKind::lstm) layer.c = take(B * width);
  }
  model->states_size = used;
  model->work_size = area<S>(B * widest);
  model->work = take(4 * model->work_size);
  model->result = take(B * model->head.blocks * stream::kernels<S>().lanes);
  try {
    model->initial = zeros<S>({used});
  } catch (const MemoryError& error) {
    throw MemoryError(fmt::format("[{}.freeze] batch: not enough memory for {} elements: {}", name.str(),
                                  used, error.what()));
  }

  auto learned = source.learned.begin();
  for (const StreamLayer<S>& layer : model->layers) {
    for (std::size_t part = 0; part < layer.parts() && learned != source.learned.end(); ++part, ++learned) {
      const auto place = layer.part(part);
      check_parameter(name, "the learned initial state", *learned, {1, place.size});
      for (std::size_t r = 0; r < B; ++r) {
        std::copy_n(learned->data(), place.size, model->initial.data() + place.at + r * place.width);
      }
    }
  }
  return model;
}

template struct StreamLayer<float>;
template struct StreamLayer<double>;
template struct StreamModel<float>;
template struct StreamModel<double>;
template std::shared_ptr<const StreamModel<float>> build_stream(const StreamSource<float>&);
template std::shared_ptr<const StreamModel<double>> build_stream(const StreamSource<double>&);

}  // namespace unroll::detail
