// verify: compares a hand-derived kernel, the compiled step, the tape and central differences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "framework/gradcheck.hpp"
#include "framework/random.hpp"
#include "layers/recurrent.hpp"

namespace unroll {

struct VerifyOptions {
  std::uint64_t seed = 1;           // for initial states and upstream gradients
  std::vector<Index> lengths = {};  // (B), as for the layer
  bool training = false;            // with dropout and zoneout, always under the same masks
  double step = 1e-6;               // of the central differences, times max(1, |x|)
  double analytic_tolerance =
      1e-11;  // other paths against the tape: atol and rtol, relative to the largest entry
  double numeric_tolerance = 1e-6;  // against central differences
};

// The worst comparison, in units of its tolerance.
struct VerifyReport {
  bool ok = false;              // also false in a default-constructed report
  bool with_kernel = false;     // whether a hand-derived kernel took part
  bool with_program = false;    // whether the compiled step took part
  double worst_analytic = 0.0;  // largest |path - tape| / (1 + max|tape|) over all outputs and gradients
  double worst_numeric = 0.0;   // largest |tape - numeric| / (1 + max|numeric|) over all gradients
  std::string where =
      {};  // "gradient of weight_hh_l0, gate f, row 2, column 1" or "... of input, time step 3"
  std::string message = {};  // all of this in one sentence, including what was compared
  explicit operator bool() const noexcept { return ok; }
};

namespace detail {

// One array that all paths compute, and a function that names its elements.
struct VerifyEntry {
  std::string name;
  std::function<std::string(const Shape& position)> locate;
};
// A layer as a function of tensors, for the comparison.
struct VerifyProblem {
  const char* kind;
  std::vector<VerifyEntry> inputs;   // x, initial states, parameters
  std::vector<VerifyEntry> outputs;  // output, final states
  std::vector<Tensor<double>> values;
  // (path, inputs) -> outputs
  std::function<std::vector<Var<double>>(Path, const std::vector<Var<double>>&)> run;
  const char* fallback_reason;   // why there is no kernel, or null
  std::string why_not_compiled;  // or ""
};
VerifyReport verify_problem(const VerifyProblem& problem, const VerifyOptions& options);

// Returns the gate of a row of a stacked weight with this number of rows: "gate f, row 2".
std::string locate_gate(const Shape& position, std::size_t rows, std::size_t hidden,
                        const std::vector<std::string>& gates);
std::string locate_step(const Shape& position, std::size_t time_axis);

}  // namespace detail

// Checks a recurrent layer in double on the input x (T,B,I). It compares outputs, final states and all inner
// states between the hand-derived kernel, the compiled step and the tape, and the gradients of every
// parameter, the input and the initial states between these and central differences. Upstream gradients are
// random for all results; initial states are random, also learned ones. The report names the worst parameter,
// gate and time step. Paths that the layer's options rule out are left out, and the message says why. At a
// kink of the function (relu at 0), where the differences to both sides disagree, the derivative is compared
// at a nearby point. Throws ArgumentError for options out of range; exceptions of the layer pass through.
template <class Cell, class S = scalar_t<Cell>>
VerifyReport verify(const Recurrent<Cell>& layer, const Tensor<S>& x, const VerifyOptions& options = {}) {
  auto copy = convert<double>(layer);
  copy.training = options.training;
  copy.set_path(Path::automatic);
  using Layer = decltype(copy);
  detail::VerifyProblem problem;
  problem.kind = Layer::kName;
  problem.fallback_reason = copy.fallback_reason();
  problem.why_not_compiled = copy.why_not_compiled();
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
  const std::size_t batch = x.dimension() > 1 ? x.shape()[1 - time_axis] : 1;  // else the layer throws
  const bool learned = copy.options().learn_initial_states;
  States<State> states;
  std::vector<detail::VerifyEntry> inner;
  for (std::size_t k = 0; k < copy.cells().size(); ++k) {
    State state = zero_state(copy.cells()[k], batch);
    for_each_named_in_state(state, [&](const std::string& part, const auto& var) {
      const std::string name = "state " + std::to_string(k) + "." + part;
      problem.outputs.push_back({"final " + name, plain});
      inner.push_back({name + " over time", at_step});
      if (learned) return;
      problem.inputs.push_back({"initial " + name, plain});
      problem.values.push_back(random_normal<double>(var.shape(), 0.0, 1.0, rng));
    });
    if (!learned) states.push_back(std::move(state));
  }
  problem.outputs.insert(problem.outputs.end(), inner.begin(), inner.end());
  // Parameters are listed cell by cell; each cell's learned states follow its parameters.
  std::vector<detail::VerifyEntry> parameter_entries;
  std::vector<bool> is_state;
  for (const auto& cell : copy.cells()) {
    std::vector<std::string> gates;
    if constexpr (requires { cell.gates(); }) gates = cell.gates();
    const auto hidden = static_cast<std::size_t>(cell.options.hidden);
    for_each_parameter(cell, [&](const std::string&, const auto& var) {
      parameter_entries.push_back(
          {"", [rows = var.dimension() > 0 ? var.shape(0) : 1, hidden, gates](const Shape& position) {
             return detail::locate_gate(position, rows, hidden, gates);
           }});
      is_state.push_back(false);
    });
    if (!learned) continue;
    const auto unit = zero_state(cell, 1);
    for_each_in_state(unit, [&](const auto&) {
      parameter_entries.push_back({"", plain});
      is_state.push_back(true);
    });
  }
  std::size_t parameter_index = 0;
  for_each_parameter(copy, [&](const std::string& name, const auto& var) {
    detail::VerifyEntry entry = parameter_entries.at(parameter_index);
    entry.name = name;
    problem.inputs.push_back(std::move(entry));
    problem.values.push_back(is_state[parameter_index++] ? random_normal<double>(var.shape(), 0.0, 1.0, rng)
                                                         : var.value());
  });

  problem.run = [&](Path path, const std::vector<Var<double>>& inputs) {
    copy.set_path(path);
    copy.reseed(options.seed);
    std::size_t next = 1;
    for (State& state : states) for_each_in_state(state, [&](auto& var) { var = inputs[next++]; });
    for_each_parameter(copy, [&](const std::string&, auto& var) { var = inputs[next++]; });
    auto result = copy.with_all_states(inputs[0], {.states = states, .lengths = options.lengths});
    std::vector<Var<double>> outputs{result.output};
    for (const auto* list : {&result.states, &result.all_states}) {
      for (const State& state : *list)
        for_each_in_state(state, [&](const auto& var) { outputs.push_back(var); });
    }
    return outputs;
  };
  return detail::verify_problem(problem, options);
}

// Returns the step of a cell whose state is one Var as a function: (x, h, the parameters in order) -> the
// next h. The cell must outlive the function and stay unchanged.
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

// Returns inputs for it: x (B,I) and h (B,H), normal, and the cell's current parameters.
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
