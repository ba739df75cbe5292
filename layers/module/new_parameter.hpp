// new_parameter: makes a parameter of a layer, and reports sizes that no memory can hold. Internal to the
// layers.
#pragma once

#include <utility>

#include "framework/errors.hpp"
#include "framework/var.hpp"

namespace unroll::detail {

// Throws ArgumentError for a shape whose elements, of `bytes` bytes each, no memory can hold.
void check_parameter_size(const char* layer, const char* name, const Shape& shape, std::size_t bytes);
// Throws for a default-constructed or moved-from layer.
[[noreturn]] void throw_empty_layer(const char* layer, const char* function);
// Throws MemoryError naming the parameter and the bytes that were missing.
[[noreturn]] void throw_no_memory(const char* layer, const char* name, const Shape& shape,
                                  const MemoryError& error);

// Returns parameter(make(), name). Throws ArgumentError for a shape that no memory can hold, MemoryError if
// memory runs out.
template <class S, class Make>
Var<S> new_parameter(const char* layer, const char* name, const Shape& shape, Make&& make) {
  check_parameter_size(layer, name, shape, sizeof(S));
  try {
    return parameter<S>(std::forward<Make>(make)(), name);
  } catch (const MemoryError& error) {
    throw_no_memory(layer, name, shape, error);
  }
}

}  // namespace unroll::detail
