// Objects whose contents have gone elsewhere.
#pragma once

namespace unroll::detail {

// Throws ArgumentError, naming the function, unless an object still holds what it was made with.
void require_contents(bool there, const char* function);

}  // namespace unroll::detail
