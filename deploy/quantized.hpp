// A model whose weights are those that bytes stand for. Internal.
#pragma once

#include "layers/stream.hpp"

namespace unroll::detail {

// Returns the model with the weights of its C file with int8.
template <class S>
StreamSource<S> quantized(StreamSource<S> source);

}  // namespace unroll::detail
