// Checks of options, shared by optimizers, clipping and schedules.
#pragma once

namespace unroll {

// Throw ArgumentError "[where] option: expected ..., got value" unless the value is finite and
// at least low,
void require_at_least(const char* where, const char* option, double value, double low);
// greater than low,
void require_above(const char* where, const char* option, double value, double low);
// in [0, 1),
void require_fraction(const char* where, const char* option, double value);
// or in [0, 1].
void require_share(const char* where, const char* option, double value);

}  // namespace unroll
