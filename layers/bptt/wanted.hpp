// Wanted: which gradients a backward pass is asked for.
#pragma once

namespace unroll::bptt {

// A gradient that is not wanted is not computed, and its tensor in the result is not to be used. Names are
// those of the layers' parameters; `state` stands for all initial states.
struct Wanted {
  bool x = true, state = true;
  bool weight_ih = true, weight_hh = true, bias_ih = true, bias_hh = true;
  bool weight_hr = true;  // LSTM with a projection only
};

}  // namespace unroll::bptt
