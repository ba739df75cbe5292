// Internal to ops: lists in messages.
#pragma once

#include <span>
#include <string>

#include "framework/tensor.hpp"

namespace unroll::detail {

// Formats the numbers with separators between them; a list of more than eight is cut to the first eight.
std::string listed(std::span<const Index> numbers, const char* separator = ",");

}  // namespace unroll::detail
