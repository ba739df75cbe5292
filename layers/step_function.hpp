// A cell's step as a function of all that it can be differentiated by: for gradcheck and gradgradcheck.
#pragma once

#include <vector>

#include "framework/gradcheck.hpp"
#include "framework/random.hpp"
#include "layers/module.hpp"

namespace unroll {

// The step of a cell whose state is one Var: (x, h, the parameters in order) -> the next h. The cell outlives
// the function and stays as it is.
template <class Cell>
GradcheckFunction step_function(const Cell& cell) {
  return [&cell](const std::vector<Var<double>>& inputs) {
    Cell given = share(cell);
    std::size_t next = 2;
    for_each_parameter(given,
                       [&](const std::string&, Var<double>& parameter) { parameter = inputs[next++]; });
    return given.step(inputs[0], inputs[1]);
  };
}

// Inputs for it: x (B,I) and h (B,H), normal, and the cell's parameters as they are.
template <class Cell>
std::vector<Tensor<double>> step_inputs(const Cell& cell, Index batch, Rng& rng) {
  const auto rows = static_cast<std::size_t>(batch);
  std::vector<Tensor<double>> inputs;
  for (const Index width : {cell.options.input, cell.options.hidden})
    inputs.push_back(random_normal<double>({rows, static_cast<std::size_t>(width)}, 0.0, 1.0, rng));
  for (const auto& parameter : parameters(cell)) inputs.push_back(parameter.value());
  return inputs;
}

}  // namespace unroll
