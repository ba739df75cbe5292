#include "framework/gradcheck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/errors.hpp"
#include "framework/random.hpp"

namespace unroll {
namespace {

using Vars = std::vector<Var<double>>;
using Tensors = std::vector<Tensor<double>>;

Vars parameters_from(const Tensors& tensors) {
  Vars result;
  for (const auto& tensor : tensors) result.push_back(parameter(tensor));
  return result;
}

// f may itself compute gradients, so it always runs on a tape.
Tensors evaluate(const GradcheckFunctions& f, const Tensors& inputs) {
  const Vars parameters = parameters_from(inputs);
  Tape tape;
  Tensors result;
  for (const auto& output : f(parameters)) result.push_back(output.value());
  return result;
}

// Magnitudes in [1/2, 3/2] with random signs: an upstream gradient near 0 would hide an output.
Tensors random_upstream(const Tensors& outputs, std::uint64_t seed) {
  Rng rng(seed);
  Tensors result;
  for (const auto& output : outputs) {
    Tensor<double> u(output.shape());
    for (double& v : u) v = std::copysign(rng.uniform(0.5, 1.5), rng.uniform() - 0.5);
    result.push_back(std::move(u));
  }
  return result;
}

bool identical(const Tensors& a, const Tensors& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.shape() == y.shape() && std::equal(x.begin(), x.end(), y.begin(), [](double v, double w) {
             return v == w || (std::isnan(v) && std::isnan(w));
           });
  });
}

Shape position_of(std::size_t flat, const Shape& shape) {
  Shape position = shape;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    position[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return position;
}

class Check {
 public:
  // The first named_inputs inputs are called "input k", the following ones "upstream k".
  Check(const char* name, const GradcheckFunctions& f, Tensors inputs, std::size_t named_inputs,
        const GradcheckOptions& options)
      : name_(name), f_(f), inputs_(std::move(inputs)), named_inputs_(named_inputs), options_(options) {}

  GradcheckReport run() {
    const Tensors outputs = evaluate(f_, inputs_);
    if (!identical(outputs, evaluate(f_, inputs_))) {
      return failed(
          "f: expected the same outputs for the same inputs, got others the second time (seed its Rng "
          "inside)");
    }
    upstream_ = random_upstream(outputs, options_.seed);
    const Tensors analytic = analytic_gradients();
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      if (analytic[k].shape() != inputs_[k].shape()) {
        return failed(fmt::format("the gradient of {}: expected shape {}, got {}", describe(k),
                                  to_string(inputs_[k].shape()), to_string(analytic[k].shape())));
      }
    }
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      for (std::size_t i = 0; i < inputs_[k].size(); ++i) compare(k, i, analytic[k].data()[i]);
    }
    if (elements_ == 0) {
      report_.message = fmt::format("[{}] nothing was compared: the inputs have no elements", name_);
      return report_;
    }
    const std::string where = fmt::format(
        "{} at {} of shape {}: analytic {:.17g}, numeric {:.17g}, error {:.3g}", describe(report_.input),
        to_string(report_.position), to_string(inputs_[report_.input].shape()), report_.analytic,
        report_.numeric, report_.worst_error);
    report_.message = report_.ok ? fmt::format("[{}] {} elements agree, worst {}", name_, elements_, where)
                                 : fmt::format("[{}] {} of {} elements disagree, worst {} (accepted {:.3g})",
                                               name_, wrong_, elements_, where, tolerance(report_.numeric));
    return report_;
  }

 private:
  Tensors analytic_gradients() const {
    const Vars parameters = parameters_from(inputs_);
    Vars upstream;
    for (const auto& u : upstream_) upstream.emplace_back(u);
    Tape tape;
    const Vars outputs = f_(parameters);
    Tensors result;
    for (const auto& g : gradients(outputs, parameters, upstream)) result.push_back(g.value());
    return result;
  }

  // d sum(u * f) / dx; the difference of every output is taken before the sum, so outputs that do not depend
  // on x add no rounding error.
  double numeric_gradient(double& x) {
    const double before = x;
    const double step = options_.step * std::max(1.0, std::abs(before));
    x = before + step;
    const double above = x;
    const Tensors high = evaluate(f_, inputs_);
    x = before - step;
    const double below = x;
    const Tensors low = evaluate(f_, inputs_);
    x = before;
    double total = 0.0;
    for (std::size_t k = 0; k < high.size(); ++k) {
      for (std::size_t i = 0; i < high[k].size(); ++i) {
        const double above_y = high[k].data()[i], below_y = low[k].data()[i];
        // NaN or infinity on both sides is also no change; its difference would hide every other output.
        if (above_y == below_y || (std::isnan(above_y) && std::isnan(below_y))) continue;
        total += upstream_[k].data()[i] * (above_y - below_y);
      }
    }
    return total / (above - below);
  }

  void compare(std::size_t input, std::size_t element, double analytic) {
    const double numeric = numeric_gradient(inputs_[input].data()[element]);
    const double error = std::abs(analytic - numeric);
    const bool good = error <= tolerance(numeric);  // false for NaN
    const double badness =
        std::isnan(error) ? std::numeric_limits<double>::infinity() : error / tolerance(numeric);
    ++elements_;
    if (!good) {
      ++wrong_;
      report_.ok = false;
    }
    if (badness > worst_badness_) {
      worst_badness_ = badness;
      report_.worst_error = error;
      report_.input = input;
      report_.position = position_of(element, inputs_[input].shape());
      report_.analytic = analytic;
      report_.numeric = numeric;
    }
  }

  double tolerance(double numeric) const { return options_.atol + options_.rtol * std::abs(numeric); }
  std::string describe(std::size_t input) const {
    return input < named_inputs_ ? fmt::format("input {}", input)
                                 : fmt::format("upstream {}", input - named_inputs_);
  }
  GradcheckReport failed(const std::string& reason) const {
    GradcheckReport report;
    report.ok = false;
    report.worst_error = std::numeric_limits<double>::infinity();
    report.message = fmt::format("[{}] {}", name_, reason);
    return report;
  }

  const char* name_;
  const GradcheckFunctions& f_;
  Tensors inputs_;
  std::size_t named_inputs_;
  const GradcheckOptions& options_;
  Tensors upstream_;
  GradcheckReport report_;
  double worst_badness_ = -1.0;
  std::size_t elements_ = 0, wrong_ = 0;
};

template <class F>
const F& checked(const char* name, const F& f) {
  if (!f) throw ArgumentError(fmt::format("[{}] f: expected a function, got an empty one", name));
  return f;
}

GradcheckFunctions as_list(const GradcheckFunction& f) {
  return [&f](const Vars& inputs) { return Vars{f(inputs)}; };
}

}  // namespace

GradcheckReport gradcheck(const GradcheckFunctions& f, Tensors inputs, const GradcheckOptions& options) {
  const std::size_t count = inputs.size();
  return Check("gradcheck", checked("gradcheck", f), std::move(inputs), count, options).run();
}

GradcheckReport gradcheck(const GradcheckFunction& f, Tensors inputs, const GradcheckOptions& options) {
  return gradcheck(as_list(checked("gradcheck", f)), std::move(inputs), options);
}

GradcheckReport gradgradcheck(const GradcheckFunctions& f, Tensors inputs, const GradcheckOptions& options) {
  const std::size_t count = inputs.size();
  checked("gradgradcheck", f);
  for (auto& u : random_upstream(evaluate(f, inputs), options.seed + 1)) inputs.push_back(std::move(u));
  const GradcheckFunctions gradient = [&f, count](const Vars& all) {
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(count);
    const Vars at(all.begin(), middle);
    return gradients(f(at), at, Vars(middle, all.end()), /*create_graph=*/true);
  };
  return Check("gradgradcheck", gradient, std::move(inputs), count, options).run();
}

GradcheckReport gradgradcheck(const GradcheckFunction& f, Tensors inputs, const GradcheckOptions& options) {
  return gradgradcheck(as_list(checked("gradgradcheck", f)), std::move(inputs), options);
}

}  // namespace unroll
