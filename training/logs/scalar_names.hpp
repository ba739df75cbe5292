// Which names a log can take.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "training/logs/log.hpp"

namespace unroll::detail {

// Throws ArgumentError for a name that is empty, reserved, or there twice. function is what the message
// names.
void check_scalar_names(const char* function, std::span<const NamedScalar> values,
                        std::initializer_list<std::string_view> reserved);

}  // namespace unroll::detail
