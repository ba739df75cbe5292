// What Unroll throws. Every message reads "[where] argument: expected ..., got ... (hint)".
#pragma once

#include <stdexcept>
#include <string>

namespace unroll {

// Base of all exceptions of this library.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A tensor of the wrong shape, or an axis or position out of range.
struct ShapeError : Error {
  using Error::Error;
};
// An option or argument whose value is not allowed.
struct ArgumentError : Error {
  using Error::Error;
};
// The tape was asked for something it cannot give.
struct TapeError : Error {
  using Error::Error;
};
// A file that cannot be read, written or understood; the message names file and line.
struct FileError : Error {
  using Error::Error;
};
// The first NaN or infinity, found while DetectNonfinite was in force.
struct NonfiniteError : Error {
  using Error::Error;
};

// Memory that the system does not give; the message says what it was wanted for.
struct MemoryError : Error {
  using Error::Error;
};

}  // namespace unroll
