// PackedSequence: the layout of a batch of sequences for the time loop. Internal to Recurrent.
#pragma once

#include <optional>
#include <vector>

#include "framework/tensor.hpp"
#include "framework/var.hpp"
#include "layers/module/layer_name.hpp"
#include "layers/recurrent/batch_layout.hpp"

namespace unroll::detail {

// A ragged batch runs longest sequence first and packed, without padding; the result gets back the order and
// shape of the input.
struct PackedSequence {
  std::size_t steps = 0, batch = 0;
  bool ragged = false;
  std::vector<std::size_t> sorted_lengths;    // longest first; ragged only
  std::optional<IndexTensor> order, restore;  // sorts rows longest first, and back; absent if already sorted
  std::optional<IndexTensor> pack, unpack;    // rows of (T*B,..) to packed order, and back; ragged only

  bptt::BatchLayout layout(bool reverse) const {
    return ragged ? bptt::BatchLayout::ragged(steps, sorted_lengths, reverse)
                  : bptt::BatchLayout::dense(steps, batch, reverse);
  }
  // Index N, after the packed rows, gives rows of zeros.
  template <class S>
  Var<S> padded(const Var<S>& packed) const;
};

// Throws ShapeError unless input is (T,B,input_size) with T, B >= 1 and lengths has B entries (or none),
// ArgumentError for a length outside 0..T.
PackedSequence pack_sequence(const LayerName& layer, const Shape& input, std::size_t input_size,
                             bool batch_first, const std::vector<Index>& lengths);

}  // namespace unroll::detail
