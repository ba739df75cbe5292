#include "training/onnx/states.hpp"

namespace unroll {
namespace {

// Calls f(index of the state, "h" or "c", "_l0_reverse", the Var (1,H) that it begins as).
template <class Cell, class F>
void for_each_part(const Recurrent<Cell>& layer, F&& f) {
  using S = scalar_t<Cell>;
  std::map<std::string, Var<S>> learned;
  for_each_parameter(layer, [&](const std::string& name, const Var<S>& var) { learned.emplace(name, var); });
  for (std::size_t k = 0; k < layer.cells().size(); ++k) {
    const std::string suffix =
        "_l" + std::to_string(k / layer.directions()) + (k % layer.directions() == 1 ? "_reverse" : "");
    auto zero = zero_state(layer.cells()[k], 1);
    for_each_named_in_state(zero, [&](const std::string& part, const Var<S>& var) {
      const auto found = learned.find(part + "0" + suffix);
      f(k, part, suffix, found == learned.end() ? var : found->second);
    });
  }
}

OnnxValue& part_of(OnnxState& state, const std::string& part) { return part == "h" ? state.h : state.c; }

}  // namespace

template <class Cell>
std::vector<OnnxState> state_inputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                                    OnnxStates how, const OnnxDim& batch) {
  using S = scalar_t<Cell>;
  if (how == OnnxStates::inside) return {};
  std::vector<OnnxState> states(layer.cells().size());
  for_each_part(
      layer, [&](std::size_t k, const std::string& part, const std::string& suffix, const Var<S>& begin) {
        const std::string input = detail::join_names(name, part + "0" + suffix);
        const std::string doc = "initial " + part + ", one row for each sequence";
        // Declared with a batch of its own: left out it has one row.
        part_of(states[k], part) =
            how == OnnxStates::inputs
                ? graph.input(input, onnx_type<S>(), {batch, begin.shape(1)}, doc)
                : graph.optional_input(input, begin.value(),
                                       batch.name.empty() ? "batch_or_1" : batch.name + "_or_1", doc);
      });
  return states;
}

template <class Cell>
void state_outputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                   const std::vector<OnnxState>& states) {
  using S = scalar_t<Cell>;
  std::vector<OnnxState> list = states;
  for_each_part(layer, [&](std::size_t k, const std::string& part, const std::string& suffix, const Var<S>&) {
    graph.output(detail::join_names(name, part + "n" + suffix), part_of(list.at(k), part),
                 "final " + part + ", after each sequence's own last step");
  });
}

#define UNROLL_INSTANTIATE(Cell)                                                                       \
  template std::vector<OnnxState> state_inputs(OnnxGraph&, const std::string&, const Recurrent<Cell>&, \
                                               OnnxStates, const OnnxDim&);                            \
  template void state_outputs(OnnxGraph&, const std::string&, const Recurrent<Cell>&,                  \
                              const std::vector<OnnxState>&);
UNROLL_INSTANTIATE(RnnCell<float>)
UNROLL_INSTANTIATE(RnnCell<double>)
UNROLL_INSTANTIATE(LstmCell<float>)
UNROLL_INSTANTIATE(LstmCell<double>)
UNROLL_INSTANTIATE(GruCell<float>)
UNROLL_INSTANTIATE(GruCell<double>)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
