// DetectNonfinite: finds the first NaN or infinity and names its layer and time step.
#pragma once

#include <string>
#include <string_view>

#include "framework/memory_report.hpp"
#include "framework/tape.hpp"

namespace unroll {

// While it lives, every op of this thread checks its result, forward and backward. The first NaN or infinity
// throws NonfiniteError with the op, the element and, inside a layer, the layer, the parameter and the time
// step. Recurrent layers run op by op meanwhile. Slow: for debugging.
class DetectNonfinite {
 public:
  DetectNonfinite() noexcept { ++detail::thread_state.detect_nonfinite; }
  ~DetectNonfinite() { --detail::thread_state.detect_nonfinite; }
  DetectNonfinite(const DetectNonfinite&) = delete;
  DetectNonfinite& operator=(const DetectNonfinite&) = delete;
  static bool active() noexcept { return detail::thread_state.detect_nonfinite > 0; }
};

// Marks this thread as inside a layer; scopes nest ("encoder Lstm, time step 3"). kind must outlive the
// scope.
class LayerScope {
 public:
  // parameter_name: the dotted name of any parameter of the layer, which gives the layer's path.
  explicit LayerScope(const char* kind, std::string_view parameter_name = {});
  ~LayerScope();
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;
  void set_step(Index step) noexcept { step_ = step; }

  // Returns the scopes of this thread, outermost first; "" outside any layer.
  static std::string describe();

 private:
  const char* kind_;
  std::string_view parameter_name_;
  Index step_ = -1;
  LayerScope* outer_;
  detail::MemoryTracker* tracker_;  // counts the memory of this layer, or null
};

}  // namespace unroll
