#include "layers/kernels/weights.hpp"

#include <algorithm>
#include <functional>

namespace unroll::bptt {
namespace {

// Returns b_ih + b_hh; absent ones count as zeros.
template <class S>
Buffer<S> combined_bias(const Var<S>& b_ih, const Var<S>& b_hh, std::size_t gates) {
  Buffer<S> bias(gates);
  if (b_ih.defined() && b_hh.defined()) {
    std::transform(b_ih.data(), b_ih.data() + gates, b_hh.data(), bias.begin(), std::plus<S>());
  } else if (b_ih.defined() || b_hh.defined()) {
    std::copy_n((b_ih.defined() ? b_ih : b_hh).data(), gates, bias.begin());
  } else {
    std::fill_n(bias.begin(), gates, S(0));
  }
  return bias;
}

}  // namespace

template <class S>
LoopWeights<S>::LoopWeights(const UnitLayout& unit, const PassSizes& sizes, const VarList<S>& inputs,
                            bool single_row) {
  using kernel::Packed;
  const auto& [states, in, gates, H, P, direct, projects] = sizes;
  const S* weight_hh = inputs[sizes.weight_hh()].data();
  const auto pack = single_row ? &Packed<S>::by_register : &Packed<S>::transposed;
  recurrent = pack(weight_hh, direct, P);
  if (direct < gates) candidate_weight = pack(weight_hh + direct * P, H, P);
  if (projects) projection = Packed<S>::transposed(inputs[sizes.weight_hr()].data(), P, H);

  const Var<S>&bias_ih = inputs[sizes.bias_ih()], &bias_hh = inputs[sizes.bias_hh()];
  bias = combined_bias(bias_ih, bias_hh, gates);
  if (unit.candidate == Candidate::apart) {  // b_hn is added to its product
    candidate_bias = Buffer<S>(H);
    std::fill_n(candidate_bias.begin(), H, S(0));
    if (bias_hh.defined()) {
      std::copy_n(bias_hh.data() + direct, H, candidate_bias.begin());
      for (std::size_t j = direct; j < gates; ++j) bias[j] = bias_ih.defined() ? bias_ih.data()[j] : S(0);
    }
  }
}

template struct LoopWeights<float>;
template struct LoopWeights<double>;

}  // namespace unroll::bptt
