// scan: a loop over the steps of a sequence, for a custom recurrent layer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "training/onnx/recurrent.hpp"

namespace unroll {

// x_t (B,I) and the state before it -> the state after it.
using OnnxStep = std::function<OnnxState(const OnnxValue& x_t, const OnnxState& state)>;

struct OnnxScanOptions {
  OnnxValue lengths = {};  // (B) of int32 or int64; none: all T
  bool backward = false;   // from each sequence's last step to its first
};

// s_t = step(x_t, s_{t-1}) over x (T,B,I), as ONNX's Scan: output h_t (T,B,H), and the state after each
// sequence's last step. initial: (B,H), or (1,H) for every sequence. step is called once to build the body of
// the loop; it may use values from outside. Throws ShapeError for an x, lengths or initial of another shape.
OnnxRecurrentOutput scan(const std::string& name, const OnnxValue& x, const OnnxState& initial,
                         const OnnxStep& step, const OnnxScanOptions& options = {});

namespace detail {

// v (B,H) or (1,H) -> (B,H), B the batch of x (T,B,..).
OnnxValue for_batch_of(const OnnxValue& x, const OnnxValue& v);
// alive (T,B,1): t < lengths[b]
OnnxValue alive_steps(const OnnxValue& x, const OnnxValue& lengths);
// scan() over several sequences (T,B,..) that step reads, with the state's values (B,..) in order, of which
// `hidden` is h, and alive_steps or none. step returns the state's values after it.
using OnnxListStep = std::function<std::vector<OnnxValue>(const std::vector<OnnxValue>& rows,
                                                          const std::vector<OnnxValue>& state)>;
OnnxRecurrentOutput scan_alive(const std::string& name, const std::vector<OnnxValue>& sequences,
                               const std::vector<OnnxValue>& initial, std::size_t hidden,
                               const OnnxValue& alive, bool backward, const OnnxListStep& step);

}  // namespace detail
}  // namespace unroll
