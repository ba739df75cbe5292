// A layer in one direction as one op with several outputs: what those are, and its gradients on a tape.
#pragma once

#include <vector>

#include "framework/joint.hpp"
#include "layers/state.hpp"

namespace unroll::detail {

// The outputs in one order: the sequence's, the final state's Vars and, if kept, those of all states but h,
// which is the sequence itself.
template <class S, class State>
VarList<S> layer_outputs(const LayerResult<S, State>& result) {
  VarList<S> outputs;
  outputs.reserve(8);
  outputs.push_back(result.output);
  for_each_in_state(result.state, [&](const Var<S>& var) { outputs.push_back(var); });
  if (!result.all) return outputs;
  for_each_in_state(*result.all, [&](const Var<S>& var) {
    if (&var != &hidden_of<S>(*result.all)) outputs.push_back(var);
  });
  return outputs;
}

// The same outputs as a layer's result; like: a state of the layer's.
template <class S, class State>
LayerResult<S, State> layer_result(const VarList<S>& outputs, const State& like, bool all_states) {
  LayerResult<S, State> result{outputs[0], like, {}};
  std::size_t next = 1;
  for_each_in_state(result.state, [&](Var<S>& var) { var = outputs[next++]; });
  if (!all_states) return result;
  result.all = like;
  for_each_in_state(*result.all, [&](Var<S>& var) {
    const bool is_hidden = &var == &hidden_of<S>(std::as_const(*result.all));
    var = is_hidden ? outputs[0] : outputs[next++];
  });
  return result;
}

// A gradient on the current tape for each input that is needed, none for the others. upstream: one for each
// output, undefined: zeros.
template <class S>
VarList<S> layer_gradients(const VarList<S>& outputs, const VarList<S>& upstream, const VarList<S>& inputs,
                           const Needed& needed, bool create_graph) {
  std::vector<Var<S>> used, seeds, wanted;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (!upstream[k].defined()) continue;
    used.push_back(outputs[k]);
    seeds.push_back(upstream[k]);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (needed[i]) wanted.push_back(inputs[i]);
  }
  auto found = gradients(used, wanted, seeds, create_graph);
  VarList<S> result(inputs.size());
  std::size_t at = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (needed[i]) result[i] = std::move(found[at++]);
  }
  return result;
}

}  // namespace unroll::detail
