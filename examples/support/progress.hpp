// The library's progress bar under the examples' name.
#pragma once

#include "training/progress.hpp"

namespace unroll::examples {

using unroll::Progress;

}  // namespace unroll::examples
