// A report of the memory that a training step holds until its backward pass, layer by layer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tape.hpp"

namespace unroll {

namespace detail {

class MemoryTracker;
// What this thread's layers report to, if anything does.
inline thread_local constinit MemoryTracker* memory_tracker = nullptr;
// A layer's call begins and ends.
void enter_layer(MemoryTracker& tracker, const char* kind, std::string_view parameter_name);
void leave_layer(MemoryTracker& tracker);

}  // namespace detail

// While it lives, this thread's memory is counted by layer, for memory_report(). Free blocks are not reused
// meanwhile: for looking, not for training. Without one nothing is counted and nothing costs time.
class TrackMemory {
 public:
  TrackMemory();
  ~TrackMemory();
  TrackMemory(const TrackMemory&) = delete;
  TrackMemory& operator=(const TrackMemory&) = delete;

 private:
  std::unique_ptr<detail::MemoryTracker> tracker_;
};

// What one layer holds. Bytes are as allocated, rounded up.
struct MemoryRow {
  std::string layer;                // "encoder (Lstm)", or "Lstm" where the parameters have no dotted names;
                                    // "outside layers"
  std::size_t nodes = 0;            // on the tape
  std::size_t tape_bytes = 0;       // of these nodes
  std::size_t value_bytes = 0;      // values that it made and that are still held: by the tape, or by a Var
  std::size_t parameter_bytes = 0;  // parameters that it was the first to use
  std::size_t gradient_bytes = 0;   // their gradients on this tape; 0 before backward()
};

struct MemoryReport {
  std::vector<MemoryRow> rows;       // in the order of first use, "outside layers" last
  std::size_t spare_tape_bytes = 0;  // that the tape has reserved and not used
  // What the step has added to the memory in use: nodes, values and the tape's spare bytes.
  std::size_t step_bytes() const noexcept;
};

// Which layer holds how much of what this tape's step has allocated since TrackMemory began. Called after the
// forward pass, that is what waits for backward():
//
//   const TrackMemory track;
//   Tape tape;
//   const auto loss = mse_loss(model(x), y);
//   std::puts(to_string(memory_report(tape)).c_str());
//
// Layers with the same name share a row; parameters(model) names them. Throws TapeError without TrackMemory.
MemoryReport memory_report(const Tape& tape);
// A printable table.
std::string to_string(const MemoryReport& report);

}  // namespace unroll
