#include "training/moved_from.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"

namespace unroll::detail {

void require_contents(bool there, const char* function) {
  if (there) return;
  throw ArgumentError(fmt::format(
      "[{}] object: expected one that holds its contents, got one that was moved from", function));
}

}  // namespace unroll::detail
