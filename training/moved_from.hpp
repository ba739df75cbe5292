// Objects whose contents have gone elsewhere.
#pragma once

#include <string>

#include "framework/errors.hpp"

namespace unroll::detail {

// Throws ArgumentError, naming the function, unless an object still holds what it was made with.
inline void require_contents(bool there, const char* function) {
  if (there) return;
  throw ArgumentError("[" + std::string(function) +
                      "] object: expected one that holds its contents, got one that was moved from");
}

}  // namespace unroll::detail
