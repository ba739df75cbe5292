#include "ops_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <random>
#include <sstream>

#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"

namespace unroll::test {
namespace {

template <class S>
Vars<S> make_inputs(const Tensors& inputs, bool parameters) {
  Vars<S> result;
  for (const auto& x : inputs) {
    Tensor<S> converted = convert_tensor<S>(x);
    result.push_back(parameters ? parameter(std::move(converted)) : Var<S>(std::move(converted)));
  }
  return result;
}

template <class S>
Tensors to_doubles(const Vars<S>& vars) {
  Tensors result;
  for (const auto& v : vars) result.push_back(convert_tensor<double>(v.value()));
  return result;
}

template <class S>
const auto& in_precision(const Op& op) {
  if constexpr (std::is_same_v<S, float>) {
    return op.in_float;
  } else {
    return op.in_double;
  }
}

bool close(double got, double want, double tolerance) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want)) return got == want;
  return std::abs(got - want) <= tolerance * std::max(1.0, std::abs(want));
}

void check_equal(const char* what, const Tensors& got, const Tensors& want, double tolerance) {
  REQUIRE(got.size() == want.size());
  for (std::size_t k = 0; k < got.size(); ++k) {
    INFO(what << " " << k);
    REQUIRE(to_string(got[k].shape()) == to_string(want[k].shape()));
    for (std::size_t i = 0; i < got[k].size(); ++i) {
      const double a = got[k].data()[i], b = want[k].data()[i];
      if (close(a, b, tolerance)) continue;
      INFO("element " << i << " in row-major order, got " << a << ", expected " << b << ", difference "
                      << a - b);
      CHECK(close(a, b, tolerance));
      return;  // the first is enough
    }
  }
}

// Outputs, and the gradients of all inputs that are parameters.
struct Result {
  Tensors outputs, gradients;
};

// upstream empty: 1 everywhere. only: the one input that is a parameter, the others are constants; -1: all
// are.
template <class S>
Result differentiate(const Op& op, const Tensors& inputs, const Tensors& upstream, int only = -1) {
  Vars<S> vars = make_inputs<S>(inputs, only < 0);
  if (only >= 0)
    vars[static_cast<std::size_t>(only)] = parameter(vars[static_cast<std::size_t>(only)].value());
  Tape tape;
  const Vars<S> outputs = in_precision<S>(op)(vars);
  Vars<S> seeds;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    seeds.emplace_back(upstream.empty() ? ones<S>(outputs[k].shape()) : convert_tensor<S>(upstream[k]));
  }
  return {to_doubles(outputs), to_doubles(gradients(outputs, vars, seeds))};
}

Tensors random_like(const Tensors& outputs) {
  std::vector<Shape> shapes;
  for (const auto& y : outputs) shapes.push_back(y.shape());
  return distinct_inputs(shapes, -1.5, 1.5, 0.1);
}

void check_case(const Row& row, const Case& c) {
  const Tensors inputs = distinct_inputs(c.shapes, c.low, c.high, c.gap);
  const Tensors want = c.reference(inputs);
  check_equal("value", to_doubles(c.op.in_double(make_inputs<double>(inputs, false))), want, 1e-13);

  const GradcheckReport first = gradcheck(c.op.in_double, inputs);
  if (!first) FAIL_CHECK(first.message);
  const GradcheckReport second = gradgradcheck(c.op.in_double, inputs);
  if (!second) FAIL_CHECK(second.message);

  const Tensors upstream = random_like(want);
  const Result in_double = differentiate<double>(c.op, inputs, upstream);
  const Result in_float = differentiate<float>(c.op, inputs, upstream);
  check_equal("float value", in_float.outputs, want, row.float_rtol);
  check_equal("float gradient", in_float.gradients, in_double.gradients, 5.0 * row.float_rtol);
  // With one parameter among constants, that one has the gradient it has among parameters, the others none.
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    Result alone = differentiate<double>(c.op, inputs, upstream, static_cast<int>(k));
    check_equal("gradient alone", {alone.gradients[k]}, {in_double.gradients[k]}, 1e-14);
  }

  Tape tape;
  c.op.in_double(make_inputs<double>(inputs, false));
  CHECK(tape.size() == 0);
}

template <class S>
void check_special(const Special& s, double tolerance) {
  const Result got = differentiate<S>(s.op, s.inputs, {});
  check_equal("value", got.outputs, s.outputs, tolerance);
  if (!s.gradients.empty()) check_equal("gradient", got.gradients, s.gradients, tolerance);
}

template <class S>
void check_rejection(const Row& row, const Rejection& r) {
  Tensors inputs;
  for (const Shape& shape : r.shapes) inputs.push_back(ones<double>(shape));
  const Vars<S> vars = make_inputs<S>(inputs, true);
  Tape tape;
  try {
    in_precision<S>(r.op)(vars);
    FAIL("nothing was thrown");
  } catch (const Error& e) {
    const std::string message = e.what();
    INFO(message);
    CHECK(message.find(fmt::format("[{}]", row.error_name)) == 0);
    CHECK(message.find("expected") != std::string::npos);
    if (r.kind == Kind::shape) {
      CHECK(dynamic_cast<const ShapeError*>(&e) != nullptr);
    } else {
      CHECK(dynamic_cast<const ArgumentError*>(&e) != nullptr);
    }
  }
}

std::string describe(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += " " + to_string(shape);
  return text;
}

std::string describe_values(const Tensors& tensors) {
  std::ostringstream text;
  for (const auto& x : tensors) {
    text << to_string(x.shape()) << " of";
    for (double v : x) text << " " << v;
    text << "; ";
  }
  return text.str();
}

bool advance(Position& position, const Shape& shape) {
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (++position[axis] < shape[axis]) return true;
    position[axis] = 0;
  }
  return false;
}

}  // namespace

void check(const Row& row) {
  CHECK_FALSE(row.cases.empty());
  for (std::size_t i = 0; i < row.cases.size(); ++i) {
    INFO(row.name << ", case " << i << " with inputs" << describe(row.cases[i].shapes));
    check_case(row, row.cases[i]);
  }
  for (std::size_t i = 0; i < row.specials.size(); ++i) {
    INFO(row.name << ", special values " << i << ": " << describe_values(row.specials[i].inputs));
    {
      INFO("double");
      check_special<double>(row.specials[i], 1e-14);
    }
    {
      INFO("float");
      check_special<float>(row.specials[i], 1e-6);
    }
  }
  for (std::size_t i = 0; i < row.rejections.size(); ++i) {
    INFO(row.name << ", bad call " << i << " with inputs" << describe(row.rejections[i].shapes));
    check_rejection<double>(row, row.rejections[i]);
    check_rejection<float>(row, row.rejections[i]);
  }
}

Tensors distinct_inputs(const std::vector<Shape>& shapes, double low, double high, double gap) {
  std::size_t total = 0;
  for (const Shape& shape : shapes) total += element_count(shape);
  std::vector<std::size_t> order(total);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 random(total);
  std::shuffle(order.begin(), order.end(), random);
  Tensors result;
  std::size_t next = 0;
  for (const Shape& shape : shapes) {
    Tensor<double> x(shape);
    for (double& v : x) {
      // A quarter of a step off the grid: never exactly 0 in a symmetric range.
      v = low + (high - low) * (static_cast<double>(order[next++]) + 0.25) / static_cast<double>(total);
      v = static_cast<float>(v + std::copysign(gap, v));
    }
    result.push_back(std::move(x));
  }
  return result;
}

Tensor<double> build(const Shape& shape, const std::function<double(const Position&)>& f) {
  Tensor<double> result(shape);
  if (result.size() == 0) return result;
  Position position(shape.size(), 0);
  std::size_t i = 0;
  do {
    result.data()[i++] = f(position);
  } while (advance(position, shape));
  return result;
}

double element(const Tensor<double>& x, const Position& position) {
  const std::size_t skipped = position.size() - x.dimension();
  std::size_t flat = 0;
  for (std::size_t axis = 0; axis < x.dimension(); ++axis) {
    const std::size_t size = x.shape()[axis];
    flat = flat * size + (size == 1 ? 0 : position[skipped + axis]);
  }
  return x.data()[flat];
}

Reference pointwise(double (*f)(double)) {
  return [f](const Tensors& in) -> Tensors {
    return {build(in[0].shape(), [&](const Position& p) { return f(element(in[0], p)); })};
  };
}

Reference pairwise(double (*f)(double, double)) {
  return [f](const Tensors& in) -> Tensors {
    const std::size_t rank = std::max(in[0].dimension(), in[1].dimension());
    Shape shape(rank, 1);
    for (const auto& x : in) {
      for (std::size_t i = 0; i < x.dimension(); ++i) {
        std::size_t& size = shape[rank - x.dimension() + i];
        if (x.shape()[i] != 1) size = x.shape()[i];
      }
    }
    return {build(shape, [&](const Position& p) { return f(element(in[0], p), element(in[1], p)); })};
  };
}

Reference reduced(std::vector<std::size_t> axes, bool keepdims,
                  const std::function<double(const std::vector<double>&)>& f) {
  return [=](const Tensors& in) -> Tensors {
    const Tensor<double>& x = in[0];
    const auto is_reduced = [&](std::size_t axis) {
      return axes.empty() || std::find(axes.begin(), axes.end(), axis) != axes.end();
    };
    Shape shape;
    for (std::size_t axis = 0; axis < x.dimension(); ++axis) {
      if (!is_reduced(axis)) shape.push_back(x.shape()[axis]);
      if (is_reduced(axis) && keepdims) shape.push_back(1);
    }
    return {build(shape, [&](const Position& p) {
      std::vector<double> members;
      build(x.shape(), [&](const Position& q) {
        bool same = true;
        for (std::size_t axis = 0, out = 0; axis < q.size(); ++axis) {
          if (!is_reduced(axis)) same = same && p[out] == q[axis];
          if (!is_reduced(axis) || keepdims) ++out;
        }
        if (same) members.push_back(element(x, q));
        return 0.0;
      });
      return f(members);
    })};
  };
}

Reference along(std::size_t axis, const std::function<std::vector<double>(const std::vector<double>&)>& f) {
  return [=](const Tensors& in) -> Tensors {
    return {build(in[0].shape(), [&](const Position& p) {
      std::vector<double> line;
      Position q = p;
      for (q[axis] = 0; q[axis] < in[0].shape()[axis]; ++q[axis]) line.push_back(element(in[0], q));
      return f(line)[p[axis]];
    })};
  };
}

Reference moved(const Shape& shape, const std::function<Position(const Position&)>& from) {
  return [=](const Tensors& in) -> Tensors {
    return {build(shape, [&](const Position& p) { return element(in[0], from(p)); })};
  };
}

IndexTensor indices(const Shape& shape, const std::vector<std::int64_t>& values) {
  return from_values(shape, values);
}

Mask mask(const Shape& shape, const std::vector<int>& values) {
  Mask result(shape);
  std::transform(values.begin(), values.end(), result.data(), [](int v) { return v != 0; });
  return result;
}

}  // namespace unroll::test
