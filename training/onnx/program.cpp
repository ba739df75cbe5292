#include "training/onnx/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "framework/errors.hpp"
#include "framework/program/program.hpp"
#include "training/onnx/ops.hpp"
#include "training/onnx/scan.hpp"

namespace unroll::detail {
namespace {

template <class S>
using UnaryMember = typename kernel::Pointwise<S>::Unary kernel::Pointwise<S>::*;
template <class S>
using Unary1Member = typename kernel::Pointwise<S>::Unary1 kernel::Pointwise<S>::*;
template <class S>
using BinaryMember = typename kernel::Pointwise<S>::Binary kernel::Pointwise<S>::*;

// Returns the function of a catalogue's member, or null.
template <class F, class Table, class Function, class IsSame>
F find(const Table& table, const Function& f, const IsSame& is_same) {
  for (const auto& [member, made] : table) {
    if (is_same(kernel::pointwise<typename Table::value_type::Scalar>().*member, f)) return made;
  }
  return nullptr;
}

template <class S, class Member, class F>
struct Entry {
  using Scalar = S;
  Member member;
  F made;
};

using Value = OnnxValue;
using MadeUnary = Value (*)(const Value&);
using MadeUnary1 = Value (*)(const Value&, double);
using MadeBinary = Value (*)(const Value&, const Value&);

template <class S>
Value unary_node(const Instruction<S>& op, const Value& x) {
  using P = kernel::Pointwise<S>;
  static const std::vector<Entry<S, UnaryMember<S>, MadeUnary>> table{
      {&P::negate, [](const Value& v) { return -v; }},
      {&P::exp, exp},
      {&P::log, log},
      {&P::sqrt, sqrt},
      {&P::square, square},
      {&P::abs, abs},
      {&P::sin, sin},
      {&P::cos, cos},
      {&P::tanh, tanh},
      {&P::sigmoid, sigmoid},
      {&P::gelu, gelu},
      {&P::normal_cdf, normal_cdf},
      {&P::softplus, softplus},
      {&P::relu, relu}};
  static const std::vector<Entry<S, Unary1Member<S>, MadeUnary1>> with_constant{
      {&P::plus, [](const Value& v, double c) { return v + c; }},
      {&P::minus, [](const Value& v, double c) { return v - c; }},
      {&P::subtracted_from, [](const Value& v, double c) { return c - v; }},
      {&P::times, [](const Value& v, double c) { return v * c; }},
      {&P::divided_by, [](const Value& v, double c) { return v / c; }},
      {&P::divide_into, [](const Value& v, double c) { return c / v; }},
      {&P::leaky_relu, leaky_relu},
      {&P::elu, elu}};
  const auto same = [](auto a, auto b) { return a == b; };
  if (op.unary != nullptr) {
    const auto made = find<MadeUnary>(table, op.unary, same);
    return made != nullptr ? made(x) : Value();
  }
  if (op.unary1 != nullptr) {
    const auto made = find<MadeUnary1>(with_constant, op.unary1, same);
    return made != nullptr ? made(x, static_cast<double>(op.constant[0])) : Value();
  }
  if (op.unary2 == kernel::pointwise<S>().clamp)
    return clamp(x, static_cast<double>(op.constant[0]), static_cast<double>(op.constant[1]));
  return {};
}

template <class S>
Value binary_node(const Instruction<S>& op, const Value& x, const Value& y) {
  using P = kernel::Pointwise<S>;
  static const std::vector<Entry<S, BinaryMember<S>, MadeBinary>> table{
      {&P::add, [](const Value& a, const Value& b) { return a + b; }},
      {&P::subtract, [](const Value& a, const Value& b) { return a - b; }},
      {&P::multiply, [](const Value& a, const Value& b) { return a * b; }},
      {&P::divide, [](const Value& a, const Value& b) { return a / b; }},
      {&P::maximum, maximum},
      {&P::minimum, minimum}};
  const auto made =
      find<MadeBinary>(table, op.binary, [](const auto& a, const auto& b) { return a.same == b.same; });
  return made != nullptr ? made(x, y) : Value();
}

template <class S>
Value reduce_node(const Instruction<S>& op, const Value& x) {
  const auto& reductions = kernel::reductions<S>();
  if (op.reduce == reductions.sum) return sum(x, {-1}, true);
  if (op.reduce == reductions.max) return max(x, {-1}, true);
  return op.reduce == reductions.min ? min(x, {-1}, true) : Value();
}

// (x - mean) r, or r itself.
template <class S>
Value standardized(const Instruction<S>& op, const Value& x) {
  const double eps = static_cast<double>(op.constant[0]);
  if (op.first == 0) return layer_norm(x, {}, {}, eps);
  return 1.0 / sqrt(mean(square(x - mean(x, {-1}, true)), {-1}, true) + eps);
}

// Values by number. Rows may have further axes before the last one.
template <class S>
class Nodes {
 public:
  Nodes(const Program<S>& program, OnnxGraph constants)
      : program_(program), constants_(std::move(constants)) {}

  // Of an external value.
  void set_external(std::size_t index, std::string name, const Var<S>& var) {
    externals_[program_.externals[index]] = {std::move(name), var};
  }
  Value& operator[](int number) { return values_[number]; }
  // Returns an instruction that ONNX has not, or null.
  const Instruction<S>* add(const std::vector<Instruction<S>>& list) {
    for (const Instruction<S>& op : list) {
      Value made = node(op);
      if (!made.defined()) return &op;
      values_[op.output] = std::move(made);
    }
    return nullptr;
  }

 private:
  struct External {
    std::string name;
    Var<S> var;
  };
  // A row, or a constant; matrices transposed if wanted, here and not by every run.
  Value in(int number, bool transposed = false) {
    const auto external = externals_.find(number);
    if (external == externals_.end()) return values_.at(number);
    Value& made = constants_by_use_[{number, transposed}];
    if (!made.defined()) {
      const auto& [name, var] = external->second;
      const bool again = constants_by_use_.count({number, !transposed}) != 0;
      made = constants_.constant(again ? name + "_transposed" : name,
                                 transposed ? transpose(var.detach()).value() : var.value());
    }
    return made;
  }
  Value node(const Instruction<S>& op) {
    switch (op.kind) {
      case Kind::unary:
        return unary_node(op, in(op.inputs[0]));
      case Kind::binary:
        return binary_node(op, in(op.inputs[0]), in(op.inputs[1]));
      case Kind::product: {
        Value y = matmul(in(op.inputs[0]), in(op.inputs[1], op.transpose_b));
        for (std::size_t k = 2; k < op.inputs.size(); ++k) y = y + in(op.inputs[k]);
        return y;
      }
      case Kind::cut: {
        const auto first = static_cast<Index>(op.first);
        return slice(in(op.inputs[0]), -1, {first, first + width(op.output)});
      }
      case Kind::join: {
        std::vector<Value> parts;
        for (const int part : op.inputs) parts.push_back(in(part));
        return concat(parts, -1);
      }
      case Kind::reduce:
        return reduce_node(op, in(op.inputs[0]));
      case Kind::standardize:
        return standardized(op, in(op.inputs[0]));
      case Kind::softmax:
        return op.softmax == kernel::axis_kernels<S>().softmax ? softmax(in(op.inputs[0]), -1)
                                                               : log_softmax(in(op.inputs[0]), -1);
      case Kind::pad:
      case Kind::zeros:
      case Kind::fill:
      case Kind::reshape:
        break;  // of gradients alone
    }
    return {};
  }
  Index width(int number) const {
    return static_cast<Index>(program_.values[static_cast<std::size_t>(number)].width);
  }

  const Program<S>& program_;
  OnnxGraph constants_;
  std::map<int, External> externals_;
  std::map<std::pair<int, bool>, Value> constants_by_use_;
  std::map<int, Value> values_;
};

template <class S>
[[noreturn]] void throw_not_a_node(const std::string& what, const Instruction<S>& op) {
  throw ArgumentError(fmt::format("[export_onnx] {}: expected ops that ONNX has, got {}", what, name_of(op)));
}

}  // namespace

template <class S>
OnnxRecurrentOutput scan_program(const OnnxCellOf<S>& cell, const std::string& layer, const OnnxValue& x,
                                 const OnnxValue& alive, const OnnxState& initial, bool backward) {
  const CompiledStep<S> step = cell.compile();
  const std::string what = fmt::format("layer '{}' ({}) step", layer, cell.kind);
  if (step.program == nullptr) {
    throw ArgumentError(fmt::format(
        "[export_onnx] {}: expected one that is a program, got one that is not: {} (define to_onnx(name, "
        "layer, x) for it)",
        what, step.failure));
  }
  const Program<S>& program = *step.program;
  Nodes<S> nodes(program, OnnxGraph::of("to_onnx", {x}));
  for (std::size_t k = 0; k < step.externals.size(); ++k) {
    std::string name = fmt::format("constant{}", k);
    for (const auto& [member, var] : cell.parameters) {
      if (var.same_as(step.externals[k])) name = member;
    }
    nodes.set_external(k, join_names(layer, name + cell.suffix), step.externals[k]);
  }
  nodes[0] = x;
  if (const auto* op = nodes.add(program.forward.before)) throw_not_a_node(what, *op);

  // What the loop reads of x and of what stands before it.
  std::vector<int> scanned;
  const auto read = [&](int number) {
    const auto made_before = [&](const Instruction<S>& op) { return op.output == number; };
    const bool is_before =
        number == 0 || std::any_of(program.forward.before.begin(), program.forward.before.end(), made_before);
    if (is_before && std::find(scanned.begin(), scanned.end(), number) == scanned.end())
      scanned.push_back(number);
  };
  for (const Instruction<S>& op : program.forward.loop)
    std::for_each(op.inputs.begin(), op.inputs.end(), read);
  std::for_each(program.next.begin(), program.next.end(), read);
  if (scanned.empty()) scanned.push_back(0);
  std::vector<OnnxValue> sequences;
  for (const int number : scanned) sequences.push_back(nodes[number]);

  const auto body = [&](const std::vector<OnnxValue>& rows, const std::vector<OnnxValue>& state) {
    Nodes<S> inner = nodes;
    for (std::size_t k = 0; k < scanned.size(); ++k) inner[scanned[k]] = rows[k];
    for (std::size_t k = 0; k < state.size(); ++k) inner[static_cast<int>(1 + k)] = state[k];
    if (const auto* op = inner.add(program.forward.loop)) throw_not_a_node(what, *op);
    std::vector<OnnxValue> after;
    for (const int next : program.next) after.push_back(inner[next]);
    return after;
  };
  return scan_alive(join_names(layer, cell.suffix.substr(1)), sequences, list_of(initial, cell.hidden),
                    cell.hidden, alive, backward, body);
}

OnnxValue apply_program(const std::string& what, const Activation& f, const OnnxValue& x) {
  const auto apply = [&]<class S>(S) {
    const StepFunction<S> function = [&](const VarList<S>& rows) { return VarList<S>{f(rows[0])}; };
    const CompiledStep<S> step = compile_forward(function, {1, 1});
    if (step.program == nullptr)
      throw ArgumentError(fmt::format("[export_onnx] {}: expected a function of ops, got '{}': {}", what,
                                      f.name(), step.failure));
    Nodes<S> nodes(*step.program, OnnxGraph::of("to_onnx", {x}));
    for (std::size_t k = 0; k < step.externals.size(); ++k)
      nodes.set_external(k, fmt::format("{}.constant{}", f.name(), k), step.externals[k]);
    nodes[0] = x;
    for (const auto* list : {&step.program->forward.before, &step.program->forward.loop})
      if (const auto* op = nodes.add(*list)) throw_not_a_node(what, *op);
    return nodes[step.program->next[0]];
  };
  return x.type() == OnnxType::float64 ? apply(double{}) : apply(float{});
}

#define UNROLL_INSTANTIATE(S)                                                                           \
  template OnnxRecurrentOutput scan_program(const OnnxCellOf<S>&, const std::string&, const OnnxValue&, \
                                            const OnnxValue&, const OnnxState&, bool);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
