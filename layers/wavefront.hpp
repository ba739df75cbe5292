// Fused layers one on top of the other as one op, so that two threads may run them at the same time: a layer
// works on a stretch of time while the one below it works on the next. Internal to the cells that have a
// kernel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/threads.hpp"
#include "layers/bptt/products.hpp"
#include "layers/bptt/stretch.hpp"
#include "layers/fused.hpp"

namespace unroll::detail {

// Whether layers over these steps are worth two threads; weights: the numbers in the matrices of each.
bool layers_at_once(const bptt::Steps& steps, std::span<const std::size_t> weights) noexcept;

// Steps in stretches of about equal numbers of rows.
class Stretches {
 public:
  Stretches(const bptt::Steps& all, std::size_t count);
  std::size_t size() const noexcept { return parts_.size(); }
  bptt::Stretch operator[](std::size_t i) const noexcept;

 private:
  struct Part {
    bptt::Steps steps;
    std::size_t row, row_before;
  };
  PooledVector<Part> parts_;
};

// Calls run(context, layer, stage) for all stages 0 ... stretches + 1 of all layers, each layer's in order,
// and stage 1 ... stretches after the same stage of the layer before. at_once: on two threads, where run must
// touch no reference count of a Var that it has not made; else layer by layer. Throws what the first call
// that throws does, and then begins no other.
void run_wavefront(bool at_once, std::size_t layers, std::size_t stretches,
                   void (*run)(void* context, std::size_t layer, std::size_t stage), void* context);

template <class F>
void run_wavefront(bool at_once, std::size_t layers, std::size_t stretches, const F& f) {
  const F* function = &f;
  run_wavefront(
      at_once, layers, stretches,
      [](void* context, std::size_t layer, std::size_t stage) {
        (**static_cast<const F**>(context))(layer, stage);
      },
      &function);
}

// Into how many stretches a pass is cut.
std::size_t stretch_count(bool at_once) noexcept;

// The numbers in the matrices of a cell.
template <class Cell>
std::size_t matrix_numbers(const Cell& cell) {
  std::size_t numbers = 0;
  Cell::each(cell, [&](std::string_view, const auto& member) {
    if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) {
      if (member.defined() && member.dimension() == 2) numbers += member.size();
    }
  });
  return numbers;
}

// The rule of a stack. Kernel: what the cells' kernel is made of, as a wavefront calls it (LstmKernel in
// lstm.cpp, say). On the tape the last layer comes first, as it would with one op for each, so that gradients
// of what several layers have read are summed in the same order.
template <class Kernel>
struct StackRule {
  using Cell = typename Kernel::Cell;
  using S = scalar_t<Cell>;
  struct Layer {
    VarList<S> inputs;  // fused_inputs
    decltype(Cell::options) options;
    std::size_t weights;
    typename Kernel::Forward forward;
  };
  std::vector<Layer> layers;
  bptt::Steps steps;
  std::size_t state_vars;

  // The inputs of the op: those of all layers, of the x only the first.
  VarList<S> inputs() const {
    VarList<S> all;
    for (std::size_t l = layers.size(); l-- > 0;)
      all.insert(all.end(), layers[l].inputs.begin() + (l > 0 ? 1 : 0), layers[l].inputs.end());
    return all;
  }

  // upstream: of the output, then of the states of all layers.
  VarList<S> operator()(const VarList<S>& upstream, const Needed& needed) const {
    if (Tape::is_recording()) return on_tape(upstream, needed);
    const std::size_t count = layers.size();
    std::vector<VarList<S>> arriving(count), gradients(count);
    std::vector<Needed> wanted(count);
    std::size_t top = 0, bottom = count;  // what is between them runs: bottom ... top-1
    auto next = needed.begin();
    for (std::size_t l = count; l-- > 0;) {
      const std::size_t own = layers[l].inputs.size() - (l > 0 ? 1 : 0);
      if (l > 0) wanted[l].push_back(0);
      wanted[l].insert(wanted[l].end(), next, next + static_cast<std::ptrdiff_t>(own));
      next += static_cast<std::ptrdiff_t>(own);
      if (std::find(wanted[l].begin(), wanted[l].end(), 1) != wanted[l].end()) bottom = l;
      arriving[l].push_back(l + 1 == count ? upstream[0] : Var<S>());
      for (std::size_t k = 0; k < state_vars; ++k) arriving[l].push_back(upstream[1 + l * state_vars + k]);
      const bool arrives =
          std::any_of(arriving[l].begin(), arriving[l].end(), [](const Var<S>& g) { return g.defined(); });
      if (arrives) top = std::max(top, l + 1);
      gradients[l].resize(layers[l].inputs.size());
    }
    for (std::size_t l = bottom + 1; l < top; ++l) wanted[l][0] = 1;
    if (bottom < top) by_kernel(bottom, top, arriving, wanted, gradients);

    VarList<S> all;
    all.reserve(needed.size());
    for (std::size_t l = count; l-- > 0;) {
      std::move(gradients[l].begin() + (l > 0 ? 1 : 0), gradients[l].end(), std::back_inserter(all));
    }
    return all;
  }

 private:
  void by_kernel(std::size_t bottom, std::size_t top, const std::vector<VarList<S>>& upstream,
                 const std::vector<Needed>& needed, std::vector<VarList<S>>& gradients) const {
    std::vector<std::size_t> weights;
    for (std::size_t l = bottom; l < top; ++l) weights.push_back(layers[l].weights);
    const bool at_once = layers_at_once(steps, weights);
    const Stretches stretches(steps, stretch_count(at_once));
    std::vector<std::optional<typename Kernel::Backward>> passes(layers.size());
    run_wavefront(at_once, top - bottom, stretches.size(), [&](std::size_t position, std::size_t stage) {
      const std::size_t l = top - 1 - position;
      const Layer& layer = layers[l];
      auto& pass = passes[l];
      if (stage == 0) {
        Kernel::begin_backward(pass, layer.options, layer.inputs, steps, layer.forward, upstream[l],
                               needed[l]);
      } else if (stage <= stretches.size()) {
        const bptt::Stretch stretch = stretches[stretches.size() - stage];
        const S* up = l + 1 < top ? passes[l + 1]->result.x.data() : bptt::data_or_null(upstream[l][0]);
        pass->run(stretch, up);
        pass->run_input(stretch);
      } else {
        pass->run_weights(layer.inputs[0].data());
      }
    });
    for (std::size_t l = bottom; l < top; ++l) {
      gradients[l] = Kernel::gradients(passes[l]->result, layers[l].inputs.size());
      gradients[l].resize(layers[l].inputs.size());
    }
  }

  // As recorded ops: runs the layers on the tape again, each as an op of its own, and differentiates those.
  VarList<S> on_tape(const VarList<S>& upstream, const Needed& needed) const {
    VarList<S> copies;  // so that only this op is differentiated and not what its inputs were computed from
    for (const Var<S>& in : inputs()) copies.push_back(in.defined() ? in * 1.0 : Var<S>());
    std::size_t end = copies.size();  // of the layer's own inputs
    VarList<S> outputs(1);
    Var<S> x = copies[copies.size() - layers[0].inputs.size()];
    for (const Layer& layer : layers) {
      std::size_t next = end - (layer.inputs.size() - 1);
      end = next - (&layer == &layers[0] ? 1 : 0);
      state_t<Cell> state;
      for_each_in_state(state, [&](auto& var) { var = copies[next++]; });
      Cell cell;
      cell.options = layer.options;
      Cell::each(cell, [&](std::string_view, auto& member) {
        if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) member = copies[next++];
      });
      auto result = cell.sequence(x, state, steps, false);
      x = result.output;
      for_each_in_state(result.state, [&](const Var<S>& var) { outputs.push_back(var); });
    }
    outputs[0] = x;
    return layer_gradients(outputs, upstream, copies, needed, /*create_graph=*/true);
  }
};

// All layers over a sequence at the same time, where that pays: sequence becomes the last layer's output, the
// states the final ones. On the tape they are one op; the results are the bits of one layer after the other.
// Else does nothing and returns false.
template <class Kernel, class Cell, class S = scalar_t<Cell>>
bool fused_stack(std::span<const Cell> cells, Var<S>& sequence, States<state_t<Cell>>& states,
                 const bptt::Steps& steps) {
  if (num_threads() < 2) return false;
  PooledVector<std::size_t> weights;
  for (const Cell& cell : cells) weights.push_back(matrix_numbers(cell));
  if (!layers_at_once(steps, weights)) return false;

  const bool keep = Tape::is_recording();
  const Stretches stretches(steps, stretch_count(true));
  std::vector<std::optional<typename Kernel::ForwardPass>> passes(cells.size());
  run_wavefront(true, cells.size(), stretches.size(), [&](std::size_t l, std::size_t stage) {
    if (stage == 0) {
      Shape shape = sequence.shape();
      shape.back() = static_cast<std::size_t>(cells[l].options.input);
      Kernel::begin_forward(passes[l], cells[l], shape, states[l], steps, keep);
    } else if (stage <= stretches.size()) {
      passes[l]->run(stretches[stage - 1], l == 0 ? sequence.data() : passes[l - 1]->result.output.data());
    }
  });

  States<state_t<Cell>> final_states;
  VarList<S> outputs{passes.back()->result.output};
  for (const auto& pass : passes) {
    final_states.push_back(Kernel::final_state(pass->result));
    for_each_in_state(final_states.back(), [&](const Var<S>& var) { outputs.push_back(var); });
  }
  if (keep) {
    StackRule<Kernel> rule{{}, steps, (outputs.size() - 1) / cells.size()};
    for (std::size_t l = 0; l < cells.size(); ++l) {
      const Var<S>& x = l == 0 ? sequence : passes[l - 1]->result.output;
      rule.layers.push_back(
          {fused_inputs(cells[l], x, states[l]), cells[l].options, weights[l], passes[l]->result});
    }
    record_joint<S>(Kernel::kOp, outputs, rule.inputs(), std::move(rule));
  }
  sequence = std::move(outputs[0]);
  states = std::move(final_states);
  return true;
}

}  // namespace unroll::detail
