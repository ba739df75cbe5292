// Equality of tensors as one bool, which Catch can take.
#pragma once

#include <algorithm>

#include "framework/tensor.hpp"

// The same shape and the same elements.
template <class T>
bool same(const unroll::Tensor<T>& a, const unroll::Tensor<T>& b) {
  return a.shape() == b.shape() && std::equal(a.data(), a.data() + a.size(), b.data());
}
