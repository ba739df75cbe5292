// The element types of array files, for lists of instantiations. Internal: included only by .cpp files.
#pragma once

#include <cstdint>

#define UNROLL_FOR_EACH_ELEMENT_TYPE(f)                                                                     \
  f(bool) f(float) f(double) f(std::int8_t) f(std::int16_t) f(std::int32_t) f(std::int64_t) f(std::uint8_t) \
      f(std::uint16_t) f(std::uint32_t) f(std::uint64_t)
