// verify: hand-derived BPTT against the tape against central differences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "layers/recurrent.hpp"

namespace unroll {

struct VerifyOptions {
  std::uint64_t seed = 1;             // of initial states and upstream gradients
  std::vector<Index> lengths = {};    // (B), as for the layer
  double step = 1e-6;                 // of the central differences, times max(1, |x|)
  double analytic_tolerance = 1e-11;  // fused against tape: atol and rtol, relative to the largest entry
  double numeric_tolerance = 1e-6;    // against central differences
};

// The comparison that came out worst, measured in its own tolerance.
struct VerifyReport {
  bool ok = true;
  double worst_analytic = 0.0;  // largest |fused - tape| / (1 + max|tape|) over all outputs and gradients
  double worst_numeric = 0.0;   // largest |tape - numeric| / (1 + max|numeric|) over all gradients
  std::string where;    // "gradient of weight_hh_l0, gate f, row 2, column 1" or "... of input, time step 3"
  std::string message;  // all of it in a sentence
  explicit operator bool() const noexcept { return ok; }
};

namespace detail {

// One array that both paths compute, with a way to say what an element of it is.
struct VerifyEntry {
  std::string name;
  std::function<std::string(const Shape& position)> locate;
};
// A layer reduced to a function of tensors, so that the comparison is written once.
struct VerifyProblem {
  const char* kind;
  std::vector<VerifyEntry> inputs;   // x, initial states, parameters
  std::vector<VerifyEntry> outputs;  // output, final states
  std::vector<Tensor<double>> values;
  // (path, inputs) -> outputs
  std::function<std::vector<Var<double>>(Path, const std::vector<Var<double>>&)> run;
  bool has_kernel;
};
VerifyReport verify_problem(const VerifyProblem& problem, const VerifyOptions& options);

// "gate f, row 2": which gate a row of a stacked weight belongs to.
std::string locate_gate(const Shape& position, std::size_t rows, std::size_t hidden, const char* const* gates,
                        std::size_t gate_count);
std::string locate_step(const Shape& position, std::size_t time_axis);

}  // namespace detail

// Checks a recurrent layer on the input x (T,B,I) in double: outputs and final states by the hand-derived
// kernel and by the tape, and the gradients of every parameter, the input and the initial states by kernel,
// tape and central differences, with random initial states and random upstream gradients on outputs and final
// states. The report names the worst parameter, gate and time step. A layer without kernel is checked against
// central differences.
template <class Cell, class S = scalar_t<Cell>>
VerifyReport verify(const Recurrent<Cell>& layer, const Tensor<S>& x, const VerifyOptions& options = {}) {
  auto copy = convert<double>(layer);
  copy.training = false;
  using Layer = decltype(copy);
  detail::VerifyProblem problem;
  problem.kind = Layer::kKind;
  problem.has_kernel = layer.path() == Path::fused;
  Rng rng(options.seed);

  const std::size_t time_axis = layer.options().batch_first ? 1 : 0;
  const auto at_step = [time_axis](const Shape& position) {
    return detail::locate_step(position, time_axis);
  };
  const auto plain = [](const Shape& position) { return "element " + to_string(position); };
  problem.inputs.push_back({"input", at_step});
  problem.values.push_back(convert_tensor<double>(x));
  problem.outputs.push_back({"output", at_step});

  using State = typename Layer::State;
  const std::size_t batch = x.shape()[1 - time_axis];
  std::vector<State> states;
  for (std::size_t k = 0; k < copy.cells().size(); ++k) {
    State state = zero_state(copy.cells()[k], batch);
    std::size_t part = 0;
    for_each_in_state(state, [&](const auto& var) {
      const std::string name = "state " + std::to_string(k) + "." + std::to_string(part++);
      problem.inputs.push_back({"initial " + name, plain});
      problem.values.push_back(random_normal<double>(var.shape(), 0.0, 1.0, rng));
      problem.outputs.push_back({"final " + name, plain});
    });
    states.push_back(std::move(state));
  }
  for_each_parameter(copy, [&](const std::string& name, const auto& var) {
    const std::size_t rows = var.shape()[0];
    const auto hidden = static_cast<std::size_t>(copy.cells()[0].options.hidden);
    problem.inputs.push_back(
        {name, [rows, hidden](const Shape& position) {
           using C = typename std::remove_reference_t<decltype(std::declval<Layer>().cells())>::value_type;
           if constexpr (requires { C::kGates; }) {
             return detail::locate_gate(position, rows, hidden, C::kGates, std::size(C::kGates));
           } else {
             static_cast<void>(rows), static_cast<void>(hidden);  // without gates a row has no name
             return "element " + to_string(position);
           }
         }});
    problem.values.push_back(var.value());
  });

  problem.run = [&](Path path, const std::vector<Var<double>>& inputs) {
    copy.set_path(path);
    std::size_t next = 1;
    for (State& state : states) for_each_in_state(state, [&](auto& var) { var = inputs[next++]; });
    for_each_parameter(copy, [&](const std::string&, auto& var) { var = inputs[next++]; });
    auto result = copy(inputs[0], {.states = states, .lengths = options.lengths});
    std::vector<Var<double>> outputs{result.output};
    for (const State& state : result.states) {
      for_each_in_state(state, [&](const auto& var) { outputs.push_back(var); });
    }
    return outputs;
  };
  return detail::verify_problem(problem, options);
}

}  // namespace unroll
