#include "layers/stream/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "framework/errors.hpp"

namespace unroll::detail {
namespace {

template <class S>
void check_parameter(const LayerName& layer, const char* name, const Var<S>& parameter, const Shape& want) {
  if (parameter.defined() && parameter.shape() == want) return;
  throw ShapeError(fmt::format("[{}.freeze] {}: expected {}, got {}", layer.str(), name, to_string(want),
                               parameter.defined() ? to_string(parameter.shape()) : "none"));
}

// Returns weight (gates * H, ..) with `filled` units for each gate: zeros for those beyond H.
template <class S>
Var<S> fill_up(const Var<S>& weight, std::size_t gates, std::size_t filled) {
  Shape shape = weight.shape();
  const std::size_t size = weight.size() / gates, columns = size * gates / shape[0];
  shape[0] = gates * filled;
  Var<S> result = Var<S>::zeros(shape);
  for (std::size_t gate = 0; gate < gates; ++gate)
    std::copy_n(weight.data() + gate * size, size, result.raw() + gate * filled * columns);
  return result;
}

template <class S>
StreamKernel<S> build_kernel(const LayerName& name, const StreamCell<S>& cell, std::size_t batch) {
  const bptt::UnitLayout& unit = cell.kernel.unit->layout;
  const auto find = [&](std::size_t k) { return k < cell.inputs.size() ? cell.inputs[k] : Var<S>(); };
  const std::size_t first = 1 + unit.states();
  const Var<S> weight_ih = find(first), weight_hh = find(first + 1), weight_hr = find(first + 4);
  check_matrix(name, "weight_ih", weight_ih);
  check_matrix(name, "weight_hh", weight_hh);
  if (weight_hr.defined()) check_matrix(name, "weight_hr", weight_hr);
  const std::size_t P = weight_hh.shape(1), H = weight_hr.defined() ? weight_hr.shape(1) : P;
  check_parameter(name, "weight_ih", weight_ih, {unit.gates * H, cell.input});
  check_parameter(name, "weight_hh", weight_hh, {unit.gates * H, P});
  if (find(first + 2).defined()) check_parameter(name, "bias_ih", find(first + 2), {unit.gates * H});
  if (find(first + 3).defined()) check_parameter(name, "bias_hh", find(first + 3), {unit.gates * H});
  if (weight_hr.defined()) check_parameter(name, "weight_hr", weight_hr, {P, H});

  VarList<S> inputs(cell.inputs.begin(), cell.inputs.end());
  inputs.resize(first + 5);
  const bool single_row = batch == 1 && !weight_hr.defined();
  if (single_row) {
    const std::size_t width = kernel::packing<S>().width, filled = (H + width - 1) / width * width;
    for (std::size_t k = first; k < first + 4; ++k)
      if (inputs[k].defined()) inputs[k] = fill_up(inputs[k], unit.gates, filled);
  }
  return StreamKernel<S>(cell, inputs, P, H, single_row);
}

}  // namespace

template <class S>
void check_matrix(const LayerName& layer, const std::string& name, const Var<S>& parameter) {
  if (parameter.defined() && parameter.dimension() == 2 && parameter.size() > 0) return;
  throw ShapeError(fmt::format("[{}.freeze] {}: expected a matrix, got {}", layer.str(), name,
                               parameter.defined() ? to_string(parameter.shape()) : "none"));
}

template <class S>
StreamKernel<S>::StreamKernel(const StreamCell<S>& cell, const VarList<S>& inputs, std::size_t P,
                              std::size_t H, bool one)
    : kernel(cell.kernel),
      sizes(kernel.unit->layout, inputs),
      output(P),
      hidden(H),
      single_row(one),
      weights(kernel.unit->layout, sizes, inputs, one) {
  const auto pack = single_row ? &kernel::Packed<S>::by_register : &kernel::Packed<S>::transposed;
  input = pack(inputs[sizes.weight_ih()].data(), sizes.gates, sizes.in);
}

template <class S>
StreamState<S>::StreamState(std::shared_ptr<const StreamModel<S>> shared, const Tensor<S>& start)
    : model(std::move(shared)), memory(start) {
  const std::size_t B = model->batch;
  bptt::TimeLoop one_step;
  one_step.count = 1;
  one_step.batch = one_step.end = B;
  for (const StreamLayer<S>& each : model->layers) {
    std::vector<S*> places;
    for (const StreamPart& part : each.parts) places.push_back(memory.data() + part.at);
    programs.push_back(each.program == nullptr ? nullptr : each.program->start(B, places));
    if (!each.kernel) {
      loops.emplace_back();
      continue;
    }
    const StreamKernel<S>& layer = *each.kernel;
    const bptt::PassSizes& sizes = layer.sizes;
    S* const gates = memory.data() + model->work;
    S* const candidate = gates + B * sizes.gates;
    S* const hidden = candidate + B * sizes.hidden;
    loops.push_back({.steps = one_step,
                     .units = {0, sizes.hidden},
                     .option = layer.kernel.option,
                     .keep = false,
                     .single_row = layer.single_row,
                     .I = sizes.in,
                     .H = sizes.hidden,
                     .P = sizes.out,
                     .recurrent = layer.weights.recurrent.panels(),
                     .candidate_weight = layer.weights.candidate_weight.panels(),
                     .projection = layer.weights.projection.panels(),
                     .input = layer.single_row ? layer.input.panels() : kernel::Panels<S>{},
                     .x = nullptr,
                     .bias = layer.weights.bias.data(),
                     .candidate_bias = layer.weights.candidate_bias.data(),
                     .gates = gates,
                     .candidate = candidate,
                     .cell = nullptr,
                     .tanh_cell = nullptr,
                     .hidden = hidden,
                     .output = sizes.projects ? hidden + B * sizes.hidden : hidden,
                     .h = places[0],
                     .c = places.back()});
  }
}

template <class S>
bool StreamModel<S>::has_ids(std::span<const std::int64_t> ids) const noexcept {
  const auto vocabulary = static_cast<std::int64_t>(embedding.shape()[0]);
  return std::all_of(ids.begin(), ids.end(), [&](std::int64_t id) { return id >= 0 && id < vocabulary; });
}

template <class S>
const S* StreamState<S>::embed(const std::int64_t* ids) noexcept {
  const std::size_t width = model->embedding.shape()[1];
  S* const x = memory.data() + model->embedded;
  for (std::size_t r = 0; r < model->batch; ++r)
    std::copy_n(model->embedding.data() + static_cast<std::size_t>(ids[r]) * width, width, x + r * width);
  return x;
}

template <class S>
const S* StreamState<S>::step(const S* x) noexcept {
  for (std::size_t l = 0; l < loops.size(); ++l) {
    if (programs[l] != nullptr) {
      x = programs[l]->step(x);
      continue;
    }
    const StreamKernel<S>& layer = *model->layers[l].kernel;
    bptt::ForwardLoop<S>& loop = loops[l];
    if (!layer.single_row) {
      model->packing->multiply(model->batch, layer.sizes.gates, loop.I, x, loop.I, 1, layer.input.panels(),
                               false, loop.gates, layer.sizes.gates);
    }
    loop.x = x;
    layer.kernel.unit->forward(loop);
    x = loop.h;
  }
  if (model->head_weight.empty()) return x;
  const std::size_t read = model->layers.back().output, O = model->output;
  S* y = memory.data() + model->result;
  for (std::size_t row = 0; row < model->batch; ++row) std::copy_n(model->head_bias.data(), O, y + row * O);
  model->packing->multiply(model->batch, O, read, x, read, 1, model->head_weight.panels(), true, y, O);
  return y;
}

template <class S>
std::shared_ptr<StreamState<S>> build_stream(const StreamSource<S>& source) {
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
  const bool embeds = source.embedding.defined();
  model->input = embeds ? 1 : source.cells.front().input;

  // The memory: areas of whole cache lines.
  std::size_t used = 0, work_size = 0;
  const auto take = [&](std::size_t size) {
    constexpr std::size_t kLine = 64 / sizeof(S);
    return std::exchange(used, used + (size + kLine - 1) / kLine * kLine);
  };
  model->layers.reserve(source.cells.size());
  std::size_t before = embeds ? source.embedding.shape(1) : source.cells.front().input;
  for (const StreamCell<S>& cell : source.cells) {
    if (cell.input != before) {
      throw ShapeError(
          fmt::format("[{}.freeze] input: expected the {} features of the layer before, got a layer for {}",
                      name.str(), before, cell.input));
    }
    if (cell.program != nullptr) {
      const StreamProgram<S>& program = *cell.program;
      model->layers.push_back({program.input, program.output, std::nullopt, cell.program});
      StreamLayer<S>& layer = model->layers.back();
      for (std::size_t k = 0; k < program.names.size(); ++k) {
        const std::size_t size = program.initial[k].shape(1);
        layer.parts.push_back({program.names[k], take(B * size), size});
      }
      before = program.output;
      continue;
    }
    StreamKernel<S> kernel = build_kernel(name, cell, B);
    std::vector<StreamPart> parts{
        {"h", take(B * std::max(kernel.output, kernel.single_row ? kernel.sizes.hidden : 0)), kernel.output}};
    if (kernel.sizes.states == 2) parts.push_back({"c", take(B * kernel.sizes.hidden), kernel.hidden});
    work_size = std::max(work_size, kernel.work_size(B));
    before = kernel.output;
    model->layers.push_back({cell.input, before, std::move(kernel), nullptr, std::move(parts)});
  }
  model->states_size = used;
  model->work = take(work_size);
  if (embeds) {
    model->embedding = source.embedding.value();
    model->embedded = take(B * source.embedding.shape(1));
  }
  model->output = model->layers.back().output;
  if (source.has_head) {
    const Var<S>&weight = source.head_weight, &bias = source.head_bias;
    if (weight.dimension() != 2 || weight.shape()[1] != model->output) {
      throw ShapeError(
          fmt::format("[{}.freeze] head: expected a weight (O,{}) for the layer's output, got {}", name.str(),
                      model->output, to_string(weight.shape())));
    }
    const std::size_t O = weight.shape()[0];
    if (bias.defined()) check_parameter(name, "head.bias", bias, {O});
    model->head_weight = kernel::Packed<S>::transposed(weight.data(), O, model->output);
    model->head_bias = Buffer<S>(O);
    for (std::size_t k = 0; k < O; ++k) model->head_bias[k] = bias.defined() ? bias.data()[k] : S(0);
    model->output = O;
    model->result = take(B * O);
  }
  try {
    model->initial = zeros<S>({used});
  } catch (const MemoryError& error) {
    throw MemoryError(fmt::format("[{}.freeze] batch: not enough memory for {} elements: {}", name.str(),
                                  used, error.what()));
  }

  for (std::size_t l = 0; l < source.cells.size(); ++l) {
    const StreamLayer<S>& layer = model->layers[l];
    for (std::size_t part = 0; part < layer.parts.size(); ++part) {
      const StreamCell<S>& cell = source.cells[l];
      const Var<S>& learned = layer.program != nullptr ? layer.program->initial[part] : cell.inputs[1 + part];
      if (!learned.defined()) continue;
      const StreamPart& place = layer.parts[part];
      check_parameter(name, "the learned initial state", learned, {1, place.size});
      for (std::size_t r = 0; r < B; ++r)
        std::copy_n(learned.data(), place.size, model->initial.data() + place.at + r * place.size);
    }
  }
  return std::make_shared<StreamState<S>>(model, model->initial);
}

template void check_matrix(const LayerName&, const std::string&, const Var<float>&);
template void check_matrix(const LayerName&, const std::string&, const Var<double>&);
template struct StreamKernel<float>;
template struct StreamKernel<double>;
template struct StreamModel<float>;
template struct StreamModel<double>;
template struct StreamState<float>;
template struct StreamState<double>;
template std::shared_ptr<StreamState<float>> build_stream(const StreamSource<float>&);
template std::shared_ptr<StreamState<double>> build_stream(const StreamSource<double>&);

}  // namespace unroll::detail
