// LoopWeights: a cell's parameters as the forward loop over time reads them.
#pragma once

#include <cstddef>

#include "framework/kernels/packed.hpp"
#include "framework/multi_output.hpp"
#include "layers/kernels/unit.hpp"

namespace unroll::bptt {

// The positions of a pass's inputs (pass.hpp) in their list, and their sizes.
struct PassSizes {
  template <class S>
  PassSizes(const UnitLayout& layout, const VarList<S>& inputs)
      : states(layout.states()),
        in(inputs[weight_ih()].shape(1)),
        gates(inputs[weight_ih()].shape(0)),
        hidden(gates / layout.gates),
        out(inputs[weight_hh()].shape(1)),
        direct(layout.direct() * hidden),
        projects(weight_hr() < inputs.size() && inputs[weight_hr()].defined()) {}

  static constexpr std::size_t x = 0, h0 = 1, c0 = 2;
  std::size_t weight_ih() const noexcept { return 1 + states; }
  std::size_t weight_hh() const noexcept { return 2 + states; }
  std::size_t bias_ih() const noexcept { return 3 + states; }
  std::size_t bias_hh() const noexcept { return 4 + states; }
  std::size_t weight_hr() const noexcept { return 5 + states; }

  // Whether a batch of one can run its products and its unit together: H fills whole registers.
  template <class S>
  bool fit_single_row() const noexcept {
    return !projects && hidden % kernel::packing<S>().width == 0;
  }

  std::size_t states;
  std::size_t in, gates, hidden, out;  // I, GH, H, P
  std::size_t direct;                  // rows of weight_hh that read h and are added to their gates
  bool projects;
};

template <class S>
struct LoopWeights {
  LoopWeights(const UnitLayout& unit, const PassSizes& sizes, const VarList<S>& inputs, bool single_row);

  kernel::Packed<S> recurrent;         // W_hh^T of the gates that read h
  kernel::Packed<S> candidate_weight;  // W_hn^T of a candidate that has a product of its own, or empty
  kernel::Packed<S> projection;        // W_hr^T, or empty
  Buffer<S> bias;                      // (GH)
  Buffer<S> candidate_bias;            // (H) Candidate::apart only
};

extern template struct LoopWeights<float>;
extern template struct LoopWeights<double>;

}  // namespace unroll::bptt
