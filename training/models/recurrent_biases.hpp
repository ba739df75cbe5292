// One bias per gate or PyTorch's two, in files.
#pragma once

#include "framework/serialization.hpp"

namespace unroll {

// PyTorch's recurrent layers always have two bias vectors, bias_ih_l0 and bias_hh_l0; a layer with
// Bias::single has bias_ih_l0 alone. These change the tensors of all recurrent layers among them, told by
// their names "..bias_hh_l0", "..bias_hh_l1_reverse" ..

// For a model with Bias::single: bias_ih + bias_hh under the name of the first. In a GRU (three blocks of
// rows in weight_hh) the candidate's b_hn stands inside the product with r and cannot be added to b_in:
// throws ArgumentError unless it is zero, and for a pair that is not complete or not of one shape. The
// tensors are unchanged then.
template <class S>
void join_recurrent_biases(TensorMap<S>& tensors);

// For PyTorch: a bias_hh of zeros beside every bias_ih that has none. The layer computes what it did.
template <class S>
void split_recurrent_biases(TensorMap<S>& tensors);

}  // namespace unroll
