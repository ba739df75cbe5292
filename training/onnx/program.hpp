// A step's program as nodes of a graph. For files of this folder.
#pragma once

#include <string>
#include <vector>

#include "framework/program/compile.hpp"
#include "training/onnx/recurrent.hpp"

namespace unroll::detail {

// One layer in one direction as a Scan over the steps: x (T,B,I), alive (T,B,1) or undefined, the initial
// state's values (B,..). What does not depend on the state stands before the loop. Throws ArgumentError for a
// step that is no program, or an instruction that ONNX has not.
template <class S>
OnnxRecurrentOutput scan_program(const OnnxCellOf<S>& cell, const std::string& layer, const OnnxValue& x,
                                 const OnnxValue& alive, const OnnxState& initial, bool backward);

// f(x), element by element, by its ops. Throws ArgumentError, with what() before the reason.
OnnxValue apply_program(const std::string& what, const Activation& f, const OnnxValue& x);

}  // namespace unroll::detail
