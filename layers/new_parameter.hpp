// new_parameter: a parameter of a layer that may be too large; and the lack of one. Internal to the layers.
#pragma once

#include <new>
#include <utility>

#include "framework/var.hpp"

namespace unroll::detail {

// Throws ArgumentError for a shape whose numbers, of so many bytes each, no memory can hold.
void check_parameter_size(const char* layer, const char* name, const Shape& shape, std::size_t bytes);
// Of a layer that was default-constructed or moved from.
[[noreturn]] void throw_empty_layer(const char* layer, const char* function);
[[noreturn]] void throw_no_memory(const char* layer, const char* name, const Shape& shape);

// parameter(make(), name). Throws ArgumentError, with the layer and the shape, where there is not the memory.
template <class S, class Make>
Var<S> new_parameter(const char* layer, const char* name, const Shape& shape, Make&& make) {
  check_parameter_size(layer, name, shape, sizeof(S));
  try {
    return parameter<S>(std::forward<Make>(make)(), name);
  } catch (const std::bad_alloc&) {
    throw_no_memory(layer, name, shape);
  }
}

}  // namespace unroll::detail
