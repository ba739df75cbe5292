// Windows of a time series as a data set.
#pragma once

#include <vector>

#include "training/data/sequences.hpp"

namespace unroll {

// What is to be forecast from a window: the step `horizon` steps after its last, all `horizon` steps behind
// it as one vector, or at every step of it the one `horizon` steps later.
enum class WindowTarget { step_ahead, path_ahead, every_step };

struct WindowOptions {
  Index length = 0;   // T of every window
  Index stride = 1;   // steps from the beginning of one to that of the next
  Index horizon = 1;  // steps
  WindowTarget target = WindowTarget::step_ahead;
  std::vector<Index> columns = {};  // of the series that are forecast, K of them; none: all
};

// The windows of a series (N,I), oldest first: window w has the rows w stride ... w stride + length - 1 and
// the target (K), (horizon K) or (length,K). All that lie in the series with their targets are there. Throws
// ShapeError for a series without two axes or too short for one window, ArgumentError for options out of
// range.
template <class S>
SequenceDataset<S> windows(const Tensor<S>& series, const WindowOptions& options);

extern template SequenceDataset<float> windows(const Tensor<float>&, const WindowOptions&);
extern template SequenceDataset<double> windows(const Tensor<double>&, const WindowOptions&);

}  // namespace unroll
