// One-hot vectors of class indices and token ids.
#pragma once

#include "framework/tensor.hpp"

namespace unroll {

// y[..., c] = 1 where c = ids[...], else 0: (...) -> (..., classes). Throws ArgumentError for classes < 1 or
// more than memory can hold, ShapeError for an id outside 0..classes-1 and for ids that have all the axes a
// tensor can have.
template <class S>
Tensor<S> one_hot(const IndexTensor& ids, Index classes);

extern template Tensor<float> one_hot<float>(const IndexTensor&, Index);
extern template Tensor<double> one_hot<double>(const IndexTensor&, Index);

}  // namespace unroll
