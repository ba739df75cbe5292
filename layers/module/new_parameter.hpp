// new_parameter: a parameter of a layer that may be too large; and the lack of one. Internal to the layers.
#pragma once

#include <utility>

#include "framework/errors.hpp"
#include "framework/var.hpp"

namespace unroll::detail {

// Throws ArgumentError for a shape whose numbers, of so many bytes each, no memory can hold.
void check_parameter_size(const char* layer, const char* name, const Shape& shape, std::size_t bytes);
// Of a layer that was default-constructed or moved from.
[[noreturn]] void throw_empty_layer(const char* layer, const char* function);
// MemoryError with what was missing.
[[noreturn]] void throw_no_memory(const char* layer, const char* name, const Shape& shape,
                                  const MemoryError& error);

// parameter(make(), name). Throws ArgumentError for a shape that no memory can hold, MemoryError where there
// is too little.
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
