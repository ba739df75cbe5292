// memory_report: the memory that a training step holds until its backward pass, by layer.
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
// The tracker that this thread's layers report to, or null.
inline thread_local constinit MemoryTracker* memory_tracker = nullptr;
// Mark the start and the end of a layer's call.
void enter_layer(MemoryTracker& tracker, const char* kind, std::string_view parameter_name);
void leave_layer(MemoryTracker& tracker);

}  // namespace detail

// While it lives, this thread's memory is counted by layer, for memory_report(). Free blocks are not reused
// meanwhile: use it for inspection, not for training. Without it nothing is counted, at no cost.
class TrackMemory {
 public:
  TrackMemory();
  ~TrackMemory();
  TrackMemory(const TrackMemory&) = delete;
  TrackMemory& operator=(const TrackMemory&) = delete;

 private:
  std::unique_ptr<detail::MemoryTracker> tracker_;
};

// The memory of one layer. Bytes are as allocated, rounded up.
struct MemoryRow {
  std::string layer;                // "encoder (Lstm)", or "Lstm" where the parameters have no dotted names;
                                    // "outside layers"
  std::size_t nodes = 0;            // on the tape
  std::size_t tape_bytes = 0;       // of these nodes
  std::size_t value_bytes = 0;      // values made by this layer and still held, by the tape or by a Var
  std::size_t parameter_bytes = 0;  // parameters that this layer was the first to use
  std::size_t gradient_bytes = 0;   // their gradients on this tape; 0 before backward()
};

struct MemoryReport {
  std::vector<MemoryRow> rows;       // in order of first use, "outside layers" last
  std::size_t spare_tape_bytes = 0;  // reserved by the tape and not used
  // Returns the memory that the step has added: nodes, values and the tape's spare bytes.
  std::size_t step_bytes() const noexcept;
};

// Returns how much memory each layer has allocated on this tape since TrackMemory began and still holds.
// After the forward pass, this is the memory held for backward():
//
//   const TrackMemory track;
//   Tape tape;
//   const auto loss = mse_loss(model(x), y);
//   std::puts(to_string(memory_report(tape)).c_str());
//
// Layers with the same name share a row; parameters(model) names them. Throws TapeError without TrackMemory.
MemoryReport memory_report(const Tape& tape);
// Formats the report as a table.
std::string to_string(const MemoryReport& report);

}  // namespace unroll
