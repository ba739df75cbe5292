// Segment: a stretch of the steps of a sequence. Internal to checkpoints.
#pragma once

#include "framework/tensor.hpp"
#include "layers/bptt/steps.hpp"

namespace unroll::detail {

// The steps that run as number begin .. end-1, in the order of running: with reverse, from the back.
struct Segment {
  bptt::Steps steps;
  std::size_t first_row = 0;  // of all rows

  Segment(const bptt::Steps& all, std::size_t begin, std::size_t end);

  // Its rows of a tensor over all steps: (T,B,..) -> (end-begin,B,..), or packed (N,W) -> (n,W).
  template <class S>
  Tensor<S> take(const Tensor<S>& whole, const bptt::Steps& all) const;
  // The way back; makes `whole`, uninitialised, if it is empty.
  template <class S>
  void put(const Tensor<S>& part, Tensor<S>& whole, const bptt::Steps& all) const;
};

}  // namespace unroll::detail
