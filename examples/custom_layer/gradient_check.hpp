// Checks the gradients of a cell by all the ways that there are.
#pragma once

#include "framework/gradcheck.hpp"
#include "layers/layers.hpp"

namespace unroll::examples {

// One step of a cell as a function of everything it can be differentiated by: x, h, then the parameters.
template <class Cell>
GradcheckFunction as_function(const Cell& cell) {
  return [&cell](const std::vector<Var<double>>& inputs) {
    Cell given = share(cell);
    std::size_t next = 2;
    for_each_parameter(given,
                       [&](const std::string&, Var<double>& parameter) { parameter = inputs[next++]; });
    return given.step(inputs[0], inputs[1]);
  };
}

struct GradientReports {
  VerifyReport sequence;          // of a whole layer over sequences of several lengths
  GradcheckReport first, second;  // derivatives of one step
  explicit operator bool() const noexcept { return sequence.ok && first.ok && second.ok; }
};

// Checks a cell whose state is one Var, on random inputs (T 5, B 3): the gradients of a step and their own
// gradients against central differences, and those of a layer through time.
template <template <class> class Cell, class Options>
GradientReports check_gradients(const Options& options, Rng& rng) {
  const auto input = static_cast<std::size_t>(options.input),
             hidden = static_cast<std::size_t>(options.hidden);
  const Recurrent<Cell<double>> layer(options, rng);
  const Cell<double>& cell = layer.cells()[0];

  std::vector<Tensor<double>> inputs{random_normal<double>({3, input}, 0.0, 1.0, rng),
                                     random_normal<double>({3, hidden}, 0.0, 1.0, rng)};
  for (const auto& parameter : parameters(cell)) inputs.push_back(parameter.value());
  const Tensor<double> x = random_normal<double>({5, 3, input}, 0.0, 1.0, rng);
  return {verify(layer, x, {.lengths = {3, 5, 2}}), gradcheck(as_function(cell), inputs),
          gradgradcheck(as_function(cell), inputs)};
}

}  // namespace unroll::examples
