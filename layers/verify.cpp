#include "layers/verify.hpp"

#include <fmt/format.h>

#include <cmath>

#include "framework/errors.hpp"

namespace unroll::detail {
namespace {

struct Pass {
  std::vector<Tensor<double>> outputs, gradients;
};

std::vector<Var<double>> as_parameters(const std::vector<Tensor<double>>& values) {
  std::vector<Var<double>> vars;
  for (const auto& value : values) vars.push_back(parameter(value));
  return vars;
}

Pass differentiate(const VerifyProblem& problem, Path path, const std::vector<Var<double>>& upstream) {
  Tape tape;
  const auto inputs = as_parameters(problem.values);
  const auto outputs = problem.run(path, inputs);
  Pass pass;
  for (const auto& output : outputs) pass.outputs.push_back(output.value());
  for (const auto& g : gradients(outputs, inputs, upstream)) pass.gradients.push_back(g.value());
  return pass;
}

// sum_k upstream[k] * output[k], computed by the tape's ops without a tape.
double weighted_sum(const VerifyProblem& problem, const std::vector<Tensor<double>>& values,
                    const std::vector<Var<double>>& upstream) {
  std::vector<Var<double>> inputs;
  for (const auto& value : values) inputs.emplace_back(value);
  const auto outputs = problem.run(Path::tape, inputs);
  double total = 0.0;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    for (std::size_t i = 0; i < outputs[k].size(); ++i) total += outputs[k].data()[i] * upstream[k].data()[i];
  }
  return total;
}

double largest(const Tensor<double>& tensor) {
  double most = 0.0;
  for (std::size_t i = 0; i < tensor.size(); ++i) most = std::max(most, std::abs(tensor.data()[i]));
  return most;
}

Shape position_of(const Shape& shape, std::size_t flat) {
  Shape position = shape;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    position[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return position;
}

// Keeps the worst element so far, in units of its tolerance.
class Worst {
 public:
  explicit Worst(VerifyReport& report) : report_(report) {}

  // Returns the largest relative difference.
  double compare(const char* what, const VerifyEntry& entry, const Tensor<double>& got,
                 const Tensor<double>& want, double tolerance, const char* got_name, const char* want_name) {
    const double scale = largest(want);
    double worst = 0.0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double error = std::abs(got.data()[i] - want.data()[i]);
      const double units = error / (tolerance * (1.0 + scale));
      if (!(units <= in_tolerances_)) {  // also for NaN
        in_tolerances_ = std::isnan(units) ? HUGE_VAL : units;
        report_.where =
            fmt::format("{} {}, {}", what, entry.name, entry.locate(position_of(want.shape(), i)));
        report_.message =
            fmt::format("{}: {} {:.17g}, {} {:.17g}, off by {:.3g} (accepted {:.3g})", report_.where,
                        got_name, got.data()[i], want_name, want.data()[i], error, tolerance * (1.0 + scale));
      }
      if (!(error / (1.0 + scale) <= worst)) worst = error / (1.0 + scale);
    }
    if (!(in_tolerances_ <= 1.0)) report_.ok = false;
    return worst;
  }

 private:
  VerifyReport& report_;
  double in_tolerances_ = -1.0;
};

}  // namespace

VerifyReport verify_problem(const VerifyProblem& problem, const VerifyOptions& options) {
  Rng rng(options.seed + 1);
  std::vector<Var<double>> upstream;
  {
    std::vector<Var<double>> inputs;
    for (const auto& value : problem.values) inputs.emplace_back(value);
    for (const auto& output : problem.run(Path::tape, inputs)) {
      upstream.emplace_back(random_normal<double>(output.shape(), 0.0, 1.0, rng));
    }
  }
  VerifyReport report;
  Worst worst(report);
  const Pass tape = differentiate(problem, Path::tape, upstream);
  if (problem.has_kernel) {
    const Pass fused = differentiate(problem, Path::fused, upstream);
    for (std::size_t k = 0; k < tape.outputs.size(); ++k) {
      report.worst_analytic =
          std::max(report.worst_analytic,
                   worst.compare("value of", problem.outputs[k], fused.outputs[k], tape.outputs[k],
                                 options.analytic_tolerance, "kernel", "tape"));
    }
    for (std::size_t i = 0; i < tape.gradients.size(); ++i) {
      report.worst_analytic =
          std::max(report.worst_analytic,
                   worst.compare("gradient of", problem.inputs[i], fused.gradients[i], tape.gradients[i],
                                 options.analytic_tolerance, "kernel", "tape"));
    }
  }
  auto values = problem.values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    Tensor<double> numeric(values[i].shape());
    for (std::size_t j = 0; j < numeric.size(); ++j) {
      double& x = values[i].data()[j];
      const auto slope = [&](double step) {
        const double kept = x, h = step * std::max(1.0, std::abs(kept));
        x = kept + h;
        const double above = weighted_sum(problem, values, upstream);
        x = kept - h;
        const double below = weighted_sum(problem, values, upstream);
        x = kept;
        return (above - below) / (2.0 * h);
      };
      double& d = numeric.data()[j];
      d = slope(options.step);
      // Where they part, the difference quotient itself may be too coarse (layer norm of nearly equal
      // values): a smaller step and Richardson's extrapolation take its h^2 error away.
      if (!(std::abs(d - tape.gradients[i].data()[j]) <= options.numeric_tolerance)) {
        const double finer = slope(options.step / 4.0);
        d = finer + (finer - d) / 15.0;
      }
    }
    report.worst_numeric = std::max(
        report.worst_numeric, worst.compare("gradient of", problem.inputs[i], tape.gradients[i], numeric,
                                            options.numeric_tolerance, "tape", "central difference"));
  }
  report.message = fmt::format("[verify] {} {}: worst is {}", problem.kind,
                               report.ok ? "agrees" : "DISAGREES", report.message);
  return report;
}

std::string locate_gate(const Shape& position, std::size_t rows, std::size_t hidden,
                        const std::vector<std::string>& gates) {
  // A projection's rows belong to no gate.
  if (gates.empty() || rows != hidden * gates.size()) return "element " + to_string(position);
  std::string text = fmt::format("gate {}, row {}", gates[position[0] / hidden], position[0] % hidden);
  if (position.size() > 1) text += fmt::format(", column {}", position[1]);
  return text;
}

std::string locate_step(const Shape& position, std::size_t time_axis) {
  return fmt::format("time step {}, element {}", position[time_axis], to_string(position));
}

}  // namespace unroll::detail
