// The table of ops under test: one row per op buys every check that an op must pass.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "framework/ops.hpp"

namespace unroll::test {

using Tensors = std::vector<Tensor<double>>;
template <class S>
using Vars = std::vector<Var<S>>;

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// One op in both precisions, with its number of outputs erased.
struct Op {
  std::function<Vars<float>(const Vars<float>&)> in_float;
  std::function<Vars<double>(const Vars<double>&)> in_double;
};

template <class S, class F>
std::function<Vars<S>(const Vars<S>&)> erased(F f) {
  return [f](const Vars<S>& inputs) -> Vars<S> {
    auto result = f(inputs);
    if constexpr (std::is_same_v<decltype(result), Var<S>>) {
      return {result};
    } else {
      return result;
    }
  };
}

// f is a generic lambda from a vector of Vars to one Var or to several.
template <class F>
Op op(F f) {
  return {erased<float>(f), erased<double>(f)};
}

// What the op should give, computed without the library's own code.
using Reference = std::function<Tensors(const Tensors&)>;

// Smooth inputs of these shapes, on which value, gradient and second derivative are checked.
struct Case {
  std::vector<Shape> shapes;
  Op op;
  Reference reference;
  double low, high, gap;  // inputs lie in [low, high], then |x| >= gap
};

// Exact inputs with the outputs and the gradients (of the sum of all outputs) that they must give.
struct Special {
  Tensors inputs;
  Op op;
  Tensors outputs;
  Tensors gradients;  // empty: not checked
};

enum class Kind { shape, argument };

// A call that must throw, naming the op.
struct Rejection {
  std::vector<Shape> shapes;
  Op op;
  Kind kind;
};

// x, the value of the op there and its slope.
struct Point {
  double x, y, slope;
};

struct Row {
  // declared: the name in framework/ops.hpp, with the kinds of the parameters where it is overloaded;
  // in_messages: what errors call it.
  explicit Row(std::string declared, std::string in_messages = "")
      : name(declared), error_name(in_messages.empty() ? declared : in_messages) {}

  // The range of the inputs of all cases that follow; gap > 0 keeps them that far from 0.
  Row& within(double low, double high, double gap = 0.0) {
    low_ = low;
    high_ = high;
    gap_ = gap;
    return *this;
  }
  template <class F>
  Row& on(std::vector<Shape> shapes, F f, Reference reference) {
    cases.push_back({std::move(shapes), op(f), std::move(reference), low_, high_, gap_});
    return *this;
  }
  template <class F>
  Row& at(Tensors inputs, F f, Tensors outputs, Tensors gradients = {}) {
    specials.push_back({std::move(inputs), op(f), std::move(outputs), std::move(gradients)});
    return *this;
  }
  // The same for a function of one element.
  template <class F>
  Row& at_points(F f, const std::vector<Point>& points) {
    for (const Point& p : points) {
      specials.push_back({{Tensor<double>(p.x)}, op(f), {Tensor<double>(p.y)}, {Tensor<double>(p.slope)}});
    }
    return *this;
  }
  template <class F>
  Row& rejects(Kind kind, std::vector<Shape> shapes, F f) {
    rejections.push_back({std::move(shapes), op(f), kind});
    return *this;
  }
  // Relative to max(1, |want|): what float may differ from double.
  Row& float_tolerance(double tolerance) {
    float_rtol = tolerance;
    return *this;
  }

  std::string name, error_name;
  std::vector<Case> cases;
  std::vector<Special> specials;
  std::vector<Rejection> rejections;
  double float_rtol = 2e-6;

 private:
  double low_ = -2.0, high_ = 2.0, gap_ = 0.0;
};

// All checks of one row.
void check(const Row& row);

// Distinct values in a random order, exact in float, none of them 0.
Tensors distinct_inputs(const std::vector<Shape>& shapes, double low, double high, double gap = 0.0);

// --- references: naive loops over positions
// -----------------------------------------------------------------

using Position = std::vector<std::size_t>;

// The tensor whose element at each position is f(position).
Tensor<double> build(const Shape& shape, const std::function<double(const Position&)>& f);
// The element at a position; axes of size 1 and missing leading axes are broadcast.
double element(const Tensor<double>& x, const Position& position);
Reference pointwise(double (*f)(double));
Reference pairwise(double (*f)(double, double));
// f of all elements that share a position off the axes; no axes: of all.
Reference reduced(std::vector<std::size_t> axes, bool keepdims,
                  const std::function<double(const std::vector<double>&)>& f);
// f from the vector along one axis to as many values.
Reference along(std::size_t axis, const std::function<std::vector<double>(const std::vector<double>&)>& f);
// The only input, with its element at `from(position)` at each position of shape.
Reference moved(const Shape& shape, const std::function<Position(const Position&)>& from);

IndexTensor indices(const Shape& shape, const std::vector<std::int64_t>& values);
Mask mask(const Shape& shape, const std::vector<int>& values);

// --- the rows, one family per file
// --------------------------------------------------------------------------

std::vector<Row> arithmetic_rows();
std::vector<Row> pointwise_rows();
std::vector<Row> matmul_rows();
std::vector<Row> reduce_rows();
std::vector<Row> shape_rows();
std::vector<Row> join_rows();
std::vector<Row> index_rows();
std::vector<Row> normalization_rows();

}  // namespace unroll::test
