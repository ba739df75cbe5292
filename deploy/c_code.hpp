// The parts of a C file, as text. Internal.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "layers/stream/step_program.hpp"

namespace unroll::detail {

// Where the words begin and how weights are written.
struct CStyle {
  std::string name;  // "voice"
  bool int8 = false;
};

// What a file's parts need besides.
struct CNeeds {
  std::set<std::string> functions = {};  // of c_functions
  std::size_t weight_bytes = 0;
};

// A member of the state's struct, (size), and its initial values.
struct CState {
  std::string name;
  std::vector<float> initial;
};

// One layer: its constants, its function NAME_layerK(s, x, y), and its state.
struct CLayer {
  std::size_t input = 0, output = 0;
  std::vector<std::size_t> outputs = {};  // sizes of several
  std::vector<CState> states = {};
  std::string constants = {}, function = {};
};

// Throws ArgumentError for an instruction that C has no code for.
template <class S>
CLayer c_layer(const LayerName& layer, const StepProgram<S>& program, std::size_t index, const CStyle& style,
               CNeeds& needs);
// A linear map y = W x + b. bias may be undefined.
template <class S>
CLayer c_linear(const Var<S>& weight, const Var<S>& bias, std::size_t index, const CStyle& style,
                CNeeds& needs);

// "static const float NAME[n] = {...};"
std::string c_array(const std::string& name, const std::vector<float>& values);
// The same of a matrix (rows, columns), in bytes with one scale per row, if the style is int8.
std::string c_table(const std::string& name, const std::vector<float>& values, std::size_t rows,
                    const CStyle& style, CNeeds& needs);
// The same row by row, for look-ups.
std::string c_rows(const std::string& name, const std::vector<float>& values, std::size_t rows,
                   const CStyle& style, CNeeds& needs);
// A float as C writes it.
std::string c_number(float value);

// Values as their bytes give them, row by row of a matrix.
std::vector<float> through_int8(const std::vector<float>& values, std::size_t rows);

// The text of these functions and of those that they call, with NAME_ in front.
std::string c_functions(const std::set<std::string>& functions, const CStyle& style);

}  // namespace unroll::detail
