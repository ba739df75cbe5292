// Both directions of a fused layer as one op, so that they may run at the same time. Internal to the cells
// that have a kernel.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "layers/fused.hpp"

namespace unroll::detail {

// Whether two directions over these steps are worth two threads; weights: the numbers in the matrices of one.
bool directions_at_once(const bptt::Steps& steps, std::size_t weights) noexcept;

// Calls run(context, 0) and run(context, 1), at_once: the second on a thread of its own, where run must touch
// no reference count of a Var that it has not made. Throws what they throw.
void run_directions(bool at_once, void (*run)(void* context, std::size_t direction), void* context);

template <class F>
void run_directions(bool at_once, const F& f) {
  const F* function = &f;
  run_directions(
      at_once, [](void* context, std::size_t direction) { (**static_cast<const F**>(context))(direction); },
      &function);
}

// The backward direction comes first: a tape with one op for each would go back through it first, too, so
// that gradients of what both have read are summed in the same order.
inline constexpr std::array<std::size_t, 2> kOrderOnTape{1, 0};

// The rules of both directions as one, their inputs and outputs one after the other in kOrderOnTape.
template <class Rule>
struct BothDirectionsRule {
  using S = typename Rule::S;
  std::array<Rule, 2> rules;
  std::array<std::size_t, 2> outputs;
  std::size_t weights;  // numbers in the matrices of a direction

  VarList<S> operator()(const VarList<S>& upstream, const Needed& needed) const {
    std::array<VarList<S>, 2> arriving, gradients;
    std::array<Needed, 2> wanted;
    std::array<bool, 2> runs{};
    std::size_t output = 0, input = 0;
    for (const std::size_t d : kOrderOnTape) {
      arriving[d].assign(upstream.begin() + at(output), upstream.begin() + at(output + outputs[d]));
      wanted[d].assign(needed.begin() + at(input), needed.begin() + at(input + rules[d].inputs.size()));
      output += outputs[d];
      input += rules[d].inputs.size();
      gradients[d].resize(rules[d].inputs.size());
      runs[d] =
          std::find(wanted[d].begin(), wanted[d].end(), 1) != wanted[d].end() &&
          std::any_of(arriving[d].begin(), arriving[d].end(), [](const Var<S>& g) { return g.defined(); });
    }
    if (Tape::is_recording()) {  // ops: they belong to this thread
      for (const std::size_t d : kOrderOnTape) {
        if (runs[d]) gradients[d] = rules[d](arriving[d], wanted[d]);
      }
    } else {
      run_directions(runs[0] && runs[1] && directions_at_once(rules[0].steps, weights), [&](std::size_t d) {
        if (runs[d]) gradients[d] = rules[d].by_kernel(arriving[d], wanted[d]);
      });
    }
    VarList<S> all;
    all.reserve(needed.size());
    for (const std::size_t d : kOrderOnTape)
      std::move(gradients[d].begin(), gradients[d].end(), std::back_inserter(all));
    return all;
  }

 private:
  static std::ptrdiff_t at(std::size_t i) noexcept { return static_cast<std::ptrdiff_t>(i); }
};

// Both directions of a layer, each by kernel(cell, x, state, steps, all_states, keep), which returns a
// FusedPass; keep: a tape records. On the tape they are one op. They run at the same time where that pays;
// the results are the same bits.
template <class Cell, class Kernel>
auto fused_directions(const char* op, std::span<const Cell, 2> cells, const Var<scalar_t<Cell>>& x,
                      std::span<const state_t<Cell>, 2> states, const std::array<bptt::Steps, 2>& steps,
                      bool all_states, const Kernel& kernel)
    -> std::array<LayerResult<scalar_t<Cell>, state_t<Cell>>, 2> {
  using S = scalar_t<Cell>;
  const bool keep = Tape::is_recording();
  std::size_t weights = 0;
  Cell::each(cells[0], [&](std::string_view, const auto& member) {
    if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) {
      if (member.defined() && member.dimension() == 2) weights += member.size();
    }
  });

  using Pass = decltype(kernel(cells[0], x, states[0], steps[0], all_states, keep));
  std::array<std::optional<Pass>, 2> passes;
  run_directions(directions_at_once(steps[0], weights), [&](std::size_t d) {
    passes[d].emplace(kernel(cells[d], x, states[d], steps[d], all_states, keep));
  });
  if (keep) {
    VarList<S> inputs, outputs;
    const auto rule = [&](std::size_t d) {
      return fused_rule(cells[d], x, states[d], steps[d], std::move(passes[d]->rule));
    };
    BothDirectionsRule<decltype(rule(0))> both{{rule(0), rule(1)}, {}, weights};
    for (const std::size_t d : kOrderOnTape) {
      const VarList<S> made = layer_outputs(passes[d]->result);
      both.outputs[d] = made.size();
      outputs.insert(outputs.end(), made.begin(), made.end());
      inputs.insert(inputs.end(), both.rules[d].inputs.begin(), both.rules[d].inputs.end());
    }
    record_joint<S>(op, outputs, inputs, std::move(both));
  }
  return {std::move(passes[0]->result), std::move(passes[1]->result)};
}

}  // namespace unroll::detail
