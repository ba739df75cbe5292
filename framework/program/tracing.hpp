// Whether a step is being traced on this thread, and what the tape tells the trace. Internal.
#pragma once

#include <span>

namespace unroll::detail {

class TraceBase;

inline thread_local constinit bool tracing = false;
inline thread_local constinit TraceBase* trace = nullptr;

// A caller reads the numbers of a value: if they depend on the rows of the step, it cannot be a program.
void trace_read(const void* value) noexcept;
// An op has been recorded.
void trace_recorded(const char* op, const void* output, std::span<const void* const> inputs);

}  // namespace unroll::detail
