// The kit's table reader under the examples' names.
#pragma once

#include "training/data/table.hpp"

namespace unroll::examples {
using unroll::read_table;
using unroll::Table;
using unroll::TableRow;
}  // namespace unroll::examples
