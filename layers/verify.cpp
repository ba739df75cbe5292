#include "layers/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

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

Pass differentiate(const VerifyProblem& problem, const std::vector<Tensor<double>>& values, Path path,
                   const std::vector<Var<double>>& upstream) {
  Tape tape;
  const auto inputs = as_parameters(values);
  const auto outputs = problem.run(path, inputs);
  Pass pass;
  for (const auto& output : outputs) pass.outputs.push_back(output.value());
  for (const auto& g : gradients(outputs, inputs, upstream)) pass.gradients.push_back(g.value());
  return pass;
}

// Returns sum_k upstream[k] * output[k], computed by ops without a tape.
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

// Derivatives of the weighted sum by differences, at the problem's values or at others.
class Differences {
 public:
  Differences(const VerifyProblem& problem, std::vector<Tensor<double>> values,
              const std::vector<Var<double>>& upstream, const VerifyOptions& options)
      : problem_(problem),
        values_(std::move(values)),
        upstream_(upstream),
        options_(options),
        here_(weighted_sum(problem_, values_, upstream_)) {}

  struct Slope {
    double value;
    bool kink;  // the slopes to both sides differ, and not by less for a smaller step
  };
  // The derivative by element j of input i; close to the tape's result if possible.
  Slope operator()(std::size_t i, std::size_t j, double tape) {
    const auto agrees = [&](double d) { return std::abs(d - tape) <= options_.numeric_tolerance; };
    const Sides coarse = sides(i, j, options_.step);
    if (agrees(coarse.slope())) return {coarse.slope(), false};
    // If they disagree, the difference quotient itself may be too coarse (layer norm of nearly equal values):
    // a smaller step and Richardson's extrapolation remove its h^2 error.
    const Sides fine = sides(i, j, options_.step / 4.0);
    const double d = fine.slope() + (fine.slope() - coarse.slope()) / 15.0;
    const bool kink = !agrees(d) && std::abs(fine.jump()) > options_.numeric_tolerance &&
                      std::abs(fine.jump()) > std::abs(coarse.jump()) / 2.0;
    return {d, kink};
  }

 private:
  struct Sides {
    double left, right;
    double slope() const noexcept { return (left + right) / 2.0; }
    double jump() const noexcept { return right - left; }
  };
  Sides sides(std::size_t i, std::size_t j, double step) {
    double& x = values_[i].data()[j];
    const double kept = x, h = step * std::max(1.0, std::abs(kept));
    x = kept + h;
    const double above = weighted_sum(problem_, values_, upstream_);
    x = kept - h;
    const double below = weighted_sum(problem_, values_, upstream_);
    x = kept;
    return {(here_ - below) / h, (above - here_) / h};
  }

  const VerifyProblem& problem_;
  std::vector<Tensor<double>> values_;
  const std::vector<Var<double>>& upstream_;
  const VerifyOptions& options_;
  double here_;
};

// A nearby point, where values that are at a kink by accident are off it.
std::vector<Tensor<double>> moved(std::vector<Tensor<double>> values, Rng& rng) {
  for (Tensor<double>& tensor : values) {
    for (double& x : tensor) x += 1e-2 * std::max(1.0, std::abs(x)) * rng.normal();
  }
  return values;
}

void check_options(const VerifyOptions& options) {
  const auto positive = [](const char* name, double value) {
    if (!(std::isfinite(value) && value > 0.0))
      throw ArgumentError(fmt::format("[verify] {}: expected a finite number > 0, got {}", name, value));
  };
  positive("step", options.step);
  positive("analytic_tolerance", options.analytic_tolerance);
  positive("numeric_tolerance", options.numeric_tolerance);
}

// Returns which paths were compared.
std::string compared(const VerifyProblem& problem, std::size_t kinks) {
  std::string text = problem.fallback_reason == nullptr ? "kernel, " : "";
  if (problem.why_not_compiled.empty()) text += "compiled step, ";
  text += "tape and central differences";
  if (problem.fallback_reason != nullptr) text += fmt::format("; no kernel: {}", problem.fallback_reason);
  if (!problem.why_not_compiled.empty()) text += fmt::format("; not compiled: {}", problem.why_not_compiled);
  if (kinks > 0) text += fmt::format("; {} derivatives at a kink, compared nearby", kinks);
  return text;
}

}  // namespace

VerifyReport verify_problem(const VerifyProblem& problem, const VerifyOptions& options) {
  check_options(options);
  Rng rng(options.seed + 1);
  std::vector<Var<double>> upstream;
  {
    std::vector<Var<double>> inputs;
    for (const auto& value : problem.values) inputs.emplace_back(value);
    for (const auto& output : problem.run(Path::tape, inputs)) {
      upstream.emplace_back(random_normal<double>(output.shape(), 0.0, 1.0, rng));
    }
  }
  VerifyReport report{.ok = true,
                      .with_kernel = problem.fallback_reason == nullptr,
                      .with_program = problem.why_not_compiled.empty()};
  Worst worst(report);
  const Pass tape = differentiate(problem, problem.values, Path::tape, upstream);
  const auto compare_with_tape = [&](Path path, const char* name) {
    const Pass other = differentiate(problem, problem.values, path, upstream);
    for (std::size_t k = 0; k < tape.outputs.size(); ++k) {
      report.worst_analytic = std::max(
          report.worst_analytic, worst.compare("value of", problem.outputs[k], other.outputs[k],
                                               tape.outputs[k], options.analytic_tolerance, name, "tape"));
    }
    for (std::size_t i = 0; i < tape.gradients.size(); ++i) {
      report.worst_analytic = std::max(
          report.worst_analytic, worst.compare("gradient of", problem.inputs[i], other.gradients[i],
                                               tape.gradients[i], options.analytic_tolerance, name, "tape"));
    }
  };
  if (report.with_kernel) compare_with_tape(Path::fused, "kernel");
  if (report.with_program) compare_with_tape(Path::compiled, "compiled step");
  const auto compare_numeric = [&](const char* what, std::size_t i, const Tensor<double>& got,
                                   const Tensor<double>& numeric) {
    report.worst_numeric = std::max(
        report.worst_numeric, worst.compare(what, problem.inputs[i], got, numeric, options.numeric_tolerance,
                                            "tape", "central difference"));
  };
  Differences differences(problem, problem.values, upstream, options);
  std::vector<std::pair<std::size_t, std::size_t>> kinks;  // input and element
  for (std::size_t i = 0; i < problem.values.size(); ++i) {
    Tensor<double> numeric(problem.values[i].shape());
    for (std::size_t j = 0; j < numeric.size(); ++j) {
      const double found = tape.gradients[i].data()[j];
      const auto slope = differences(i, j, found);
      const bool kink = slope.kink && std::isfinite(found);
      numeric.data()[j] = kink ? found : slope.value;
      if (kink) kinks.emplace_back(i, j);
    }
    compare_numeric("gradient of", i, tape.gradients[i], numeric);
  }
  if (!kinks.empty()) {
    const auto values = moved(problem.values, rng);
    const Pass beside = differentiate(problem, values, Path::tape, upstream);
    Differences near(problem, values, upstream, options);
    for (std::size_t i = 0; i < values.size(); ++i) {
      Tensor<double> numeric = beside.gradients[i];
      for (const auto& [input, j] : kinks) {
        if (input == i) numeric.data()[j] = near(i, j, numeric.data()[j]).value;
      }
      compare_numeric("near a kink, gradient of", i, beside.gradients[i], numeric);
    }
  }
  report.message =
      fmt::format("[verify] {} {} ({}): worst is {}", problem.kind, report.ok ? "agrees" : "DISAGREES",
                  compared(problem, kinks.size()), report.message);
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
