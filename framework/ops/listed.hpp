// Internal to ops: lists in messages.
#pragma once

#include <span>
#include <string>

#include "framework/tensor.hpp"

namespace unroll::detail {

// The numbers with separators between them; of more than eight only the first eight.
std::string listed(std::span<const Index> numbers, const char* separator = ",");

}  // namespace unroll::detail
