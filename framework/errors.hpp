// The exceptions of Unroll. Every message reads "[where] argument: expected ..., got ... (hint)".
#pragma once

#include <stdexcept>
#include <string>

namespace unroll {

// The base of all exceptions of this library.
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
// A request that the tape cannot fulfil.
struct TapeError : Error {
  using Error::Error;
};
// A file that cannot be read, written or parsed; the message names file and line.
struct FileError : Error {
  using Error::Error;
};
// The first NaN or infinity, found by DetectNonfinite.
struct NonfiniteError : Error {
  using Error::Error;
};

// Memory that the system refuses; the message says what it was for.
struct MemoryError : Error {
  using Error::Error;
};

}  // namespace unroll
