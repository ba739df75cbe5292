#include "deploy/c_code.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "framework/errors.hpp"
#include "framework/program/program.hpp"
#include "framework/quoted.hpp"

namespace unroll::detail {
namespace {

// Lines of at most this length.
constexpr std::size_t kColumns = 100;
// Rows of a matrix in one block, as NAME_multiply reads them.
constexpr std::size_t kBlock = 32;

std::string wrapped(const std::vector<std::string>& items) {
  std::string text, line = " ";
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string item = items[i] + (i + 1 < items.size() ? "," : "");
    if (line.size() + 1 + item.size() > kColumns) {
      text += line + "\n";
      line = " ";
    }
    line += " " + item;
  }
  return text + line + "\n";
}

std::vector<float> in_blocks(const std::vector<float>& w, std::size_t rows, std::size_t columns);
std::vector<float> scales(const std::vector<float>& values, std::size_t rows);
std::int8_t quantized(float value, float scale);

std::string matrix_text(const std::string& name, const std::vector<float>& values, std::size_t rows,
                        const CStyle& style, CNeeds& needs, bool blocks) {
  const std::size_t columns = values.size() / rows;
  const auto ordered = [&](const std::vector<float>& v) { return blocks ? in_blocks(v, rows, columns) : v; };
  if (!style.int8) {
    needs.weight_bytes += 4 * values.size();
    return c_array(name, ordered(values));
  }
  const std::vector<float> scale = scales(values, rows);
  std::vector<float> whole;
  for (std::size_t i = 0; i < values.size(); ++i) whole.push_back(quantized(values[i], scale[i / columns]));
  std::vector<std::string> items;
  for (const float value : ordered(whole)) items.push_back(fmt::format("{}", static_cast<int>(value)));
  needs.weight_bytes += values.size() + 4 * rows;
  return fmt::format("static const int8_t {}[{}] = {{\n{}}};\n", name, values.size(), wrapped(items)) +
         c_array(name + "_scale", scale);
}

// What may stand in a comment and in a name.
std::string safe(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    result += good ? c : '_';
  }
  return result;
}

// The rows of each block of a matrix column by column; the rows that are left one by one.
std::vector<float> in_blocks(const std::vector<float>& w, std::size_t rows, std::size_t columns) {
  std::vector<float> result;
  result.reserve(w.size());
  std::size_t row = 0;
  for (; row + kBlock <= rows; row += kBlock) {
    for (std::size_t p = 0; p < columns; ++p)
      for (std::size_t j = 0; j < kBlock; ++j) result.push_back(w[(row + j) * columns + p]);
  }
  result.insert(result.end(), w.begin() + static_cast<std::ptrdiff_t>(row * columns), w.end());
  return result;
}

// One scale per row, so that the largest element is 127.
std::vector<float> scales(const std::vector<float>& values, std::size_t rows) {
  std::vector<float> result;
  const std::size_t columns = values.size() / rows;
  for (std::size_t r = 0; r < rows; ++r) {
    float most = 0.0F;
    for (std::size_t p = 0; p < columns; ++p) most = std::max(most, std::abs(values[r * columns + p]));
    result.push_back(most > 0.0F ? most / 127.0F : 1.0F);
  }
  return result;
}
std::int8_t quantized(float value, float scale) {
  return static_cast<std::int8_t>(std::lround(std::clamp(value / scale, -127.0F, 127.0F)));
}

template <class S>
std::vector<float> floats(const Var<S>& var) {
  std::vector<float> result;
  for (std::size_t i = 0; i < var.size(); ++i) result.push_back(static_cast<float>(var.data()[i]));
  return result;
}

// Expressions of element-wise functions: x and y stand for the operands, c and d for constants; a word in the
// second column is a function that the file needs.
struct Expression {
  const char *text, *function;
};
template <class S, class Member>
struct Entry {
  Member kernel::Pointwise<S>::*member;
  Expression c;
};

template <class S>
std::optional<Expression> unary_expression(const Instruction<S>& op) {
  using P = kernel::Pointwise<S>;
  static const std::array<Entry<S, typename P::Unary>, 13> plain{
      {{&P::negate, {"-{x}", ""}},
       {&P::exp, {"{n}_exp({x})", "exp"}},
       {&P::log, {"{n}_log({x})", "log"}},
       {&P::sqrt, {"{n}_sqrt({x})", "sqrt"}},
       {&P::square, {"{x} * {x}", ""}},
       {&P::abs, {"({x} < 0.0f ? -{x} : {x})", ""}},
       {&P::tanh, {"{n}_tanh({x})", "tanh"}},
       {&P::sigmoid, {"{n}_sigmoid({x})", "sigmoid"}},
       {&P::gelu, {"{n}_gelu({x})", "gelu"}},
       {&P::normal_cdf, {"{n}_normal_cdf({x})", "normal_cdf"}},
       {&P::softplus, {"{n}_softplus({x})", "softplus"}},
       {&P::relu, {"({x} > 0.0f ? {x} : 0.0f)", ""}},
       {&P::is_positive, {"({x} > 0.0f ? 1.0f : 0.0f)", ""}}}};
  static const std::array<Entry<S, typename P::Unary1>, 8> one{
      {{&P::plus, {"{x} + {c}", ""}},
       {&P::minus, {"{x} - {c}", ""}},
       {&P::subtracted_from, {"{c} - {x}", ""}},
       {&P::times, {"{x} * {c}", ""}},
       {&P::divided_by, {"{x} / {c}", ""}},
       {&P::divide_into, {"{c} / {x}", ""}},
       {&P::leaky_relu, {"({x} > 0.0f ? {x} : {x} * {c})", ""}},
       {&P::elu, {"{n}_elu({x}, {c})", "elu"}}}};
  const auto& functions = kernel::pointwise<S>();
  for (const auto& entry : plain)
    if (op.unary != nullptr && functions.*entry.member == op.unary) return entry.c;
  for (const auto& entry : one)
    if (op.unary1 != nullptr && functions.*entry.member == op.unary1) return entry.c;
  if (op.unary2 != nullptr && op.unary2 == functions.clamp)
    return Expression{"({x} < {c} ? {c} : {x} > {d} ? {d} : {x})", ""};
  return std::nullopt;
}

template <class S>
std::optional<Expression> binary_expression(const Instruction<S>& op) {
  using P = kernel::Pointwise<S>;
  static const std::array<Entry<S, typename P::Binary>, 6> table{
      {{&P::add, {"{x} + {y}", ""}},
       {&P::subtract, {"{x} - {y}", ""}},
       {&P::multiply, {"{x} * {y}", ""}},
       {&P::divide, {"{x} / {y}", ""}},
       {&P::maximum, {"({x} > {y} ? {x} : {y})", ""}},
       {&P::minimum, {"({x} < {y} ? {x} : {y})", ""}}}};
  for (const auto& entry : table)
    if ((kernel::pointwise<S>().*entry.member).same == op.binary.same) return entry.c;
  return std::nullopt;
}

// The statements of one program.
template <class S>
class Code {
 public:
  Code(const LayerName& layer, const StepProgram<S>& step, std::size_t index, const CStyle& style,
       CNeeds& needs)
      : layer_(layer),
        step_(step),
        program_(*step.program),
        style_(style),
        needs_(needs),
        prefix_(fmt::format("{}_l{}", style.name, index)) {
    result_.input = step.input;
    result_.output = step.output;
    for (std::size_t k = 0; k < step.names.size(); ++k)
      result_.states.push_back({fmt::format("l{}_{}", index, safe(step.names[k])), floats(step.initial[k])});
    for (std::size_t k = 0; k < step.outputs.size(); ++k)
      result_.outputs.push_back(width(program_.next[step.result + k]));
  }

  CLayer write() {
    values_[0] = "x";
    for (std::size_t k = 0; k < result_.states.size(); ++k)
      values_[static_cast<int>(1 + k)] = "s->" + result_.states[k].name;
    find_uses();
    for (const auto* list : {&program_.forward.before, &program_.forward.loop})
      for (const Instruction<S>& op : *list) add(op);
    close();
    finish();
    result_.function = fmt::format("static void {}({}_state *s, const float *x, float *y) {{\n{}{}}}\n",
                                   prefix_, style_.name, declarations_, body_);
    return std::move(result_);
  }

 private:
  std::size_t width(int number) const { return program_.values[static_cast<std::size_t>(number)].width; }
  bool is_external(int number) const {
    return program_.values[static_cast<std::size_t>(number)].role == ProgramValue::Role::external;
  }
  std::size_t external_index(int number) const {
    return static_cast<std::size_t>(std::find(program_.externals.begin(), program_.externals.end(), number) -
                                    program_.externals.begin());
  }

  // How often a value is read, so that one that only its own loop reads needs no array.
  void find_uses() {
    for (const auto* list : {&program_.forward.before, &program_.forward.loop}) {
      for (const Instruction<S>& op : *list)
        for (const int in : op.inputs) ++uses_[in];
    }
    for (const int next : program_.next) uses_[next] += 1000;  // read at the end
  }

  std::string external_name(int number) {
    const std::size_t index = external_index(number);
    const std::string& name = step_.external_names[index];
    return fmt::format("{}_{}", prefix_, name.empty() ? fmt::format("constant{}", index) : safe(name));
  }
  // The array of a constant.
  std::string constant(int number) {
    std::string& name = constants_[{number, 0}];
    if (name.empty()) {
      name = external_name(number);
      const std::vector<float> values = floats(step_.externals[external_index(number)]);
      needs_.weight_bytes += 4 * values.size();
      result_.constants += c_array(name, values);
    }
    return name;
  }
  // The array of a matrix, (n,k) after what transposes it.
  std::string matrix(const Instruction<S>& op, std::size_t n, std::size_t k) {
    std::string& name = constants_[{op.inputs[1], op.transpose_b ? 1 : 2}];
    if (name.empty()) {
      name = external_name(op.inputs[1]) + (op.transpose_b ? "" : "_t");
      std::vector<float> w = floats(step_.externals[external_index(op.inputs[1])]);
      if (!op.transpose_b) {
        std::vector<float> turned(w.size());
        for (std::size_t i = 0; i < k; ++i)
          for (std::size_t j = 0; j < n; ++j) turned[j * k + i] = w[i * n + j];
        w = std::move(turned);
      }
      result_.constants += c_table(name, w, n, style_, needs_);
    }
    return name;
  }

  std::string array(int number, const char* comment) {
    const std::string name = fmt::format("v{}", number);
    declarations_ += fmt::format("  float {}[{}]; /* {} */\n", name, width(number), comment);
    values_[number] = name;
    return name;
  }
  // A value's element i, or its only one.
  std::string element(int number, std::size_t out) {
    if (const auto local = locals_.find(number); local != locals_.end()) return local->second;
    if (is_external(number)) {
      const std::size_t size = step_.externals[external_index(number)].size();
      return constant(number) + (size == 1 ? "[0]" : "[i]");
    }
    const bool each = width(number) == out;
    const auto part = parts_.find(number);
    if (part == parts_.end()) return values_.at(number) + (each ? "[i]" : "[0]");
    return fmt::format("{}[{}{}]", values_.at(part->second.first), part->second.second, each ? " + i" : "");
  }

  // One loop over the elements of several results.
  void add_elementwise(const Instruction<S>& op, const Expression& how) {
    const std::size_t n = width(op.output);
    const bool reads_part = std::any_of(op.inputs.begin(), op.inputs.end(), [&](int in) {
      return !is_external(in) && bases_.count(in) != 0 && in_loop_.count(bases_[in]) != 0;
    });
    const bool reads_other = std::any_of(op.inputs.begin(), op.inputs.end(), [&](int in) {
      return !is_external(in) && in_loop_.count(in) != 0 && width(in) != n;
    });
    if (loop_width_ != n || reads_part || reads_other) close();
    loop_width_ = n;
    if (*how.function != '\0') needs_.functions.insert(how.function);
    const std::string x = element(op.inputs[0], n), y = op.inputs.size() > 1 ? element(op.inputs[1], n) : "";
    const std::string made =
        fmt::format(fmt::runtime(how.text), fmt::arg("x", x), fmt::arg("y", y), fmt::arg("n", style_.name),
                    fmt::arg("c", c_number(static_cast<float>(op.constant[0]))),
                    fmt::arg("d", c_number(static_cast<float>(op.constant[1]))));
    const std::string local = fmt::format("t{}", op.output);
    loop_.push_back(
        {op.output, fmt::format("    const float {} = {}; /* {} */\n", local, made, name_of(op))});
    locals_[op.output] = local;
    in_loop_.insert(op.output);
    for (const int in : op.inputs) ++read_in_loop_[in];
  }
  void close() {
    if (loop_.empty()) return;
    std::string statements, stores;
    for (const auto& [number, text] : loop_) {
      statements += text;
      if (uses_[number] > read_in_loop_[number])
        stores += fmt::format("    {}[i] = t{};\n", array(number, "kept"), number);
    }
    body_ += fmt::format("  for (i = 0; i < {}; ++i) {{\n{}{}  }}\n", loop_width_, statements, stores);
    loops_ = true;
    loop_.clear();
    locals_.clear();
    in_loop_.clear();
    read_in_loop_.clear();
    loop_width_ = 0;
  }

  void add(const Instruction<S>& op) {
    if (op.kind == Kind::unary || op.kind == Kind::binary) {
      const auto how = op.kind == Kind::unary ? unary_expression(op) : binary_expression(op);
      if (!how) refuse(op);
      add_elementwise(op, *how);
      return;
    }
    if (op.kind == Kind::cut) {
      const int base = op.inputs[0];
      if (in_loop_.count(base) != 0) close();
      values_[op.output] = op.first == 0 ? value(base) : fmt::format("({} + {})", value(base), op.first);
      bases_[op.output] = base;
      const auto outer = parts_.find(base);
      if (op.first > 0 || outer != parts_.end())
        parts_[op.output] = outer == parts_.end()
                                ? std::pair(base, op.first)
                                : std::pair(outer->second.first, outer->second.second + op.first);
      return;
    }
    close();
    const std::size_t n = width(op.output);
    const std::string x = op.inputs.empty() ? "" : value(op.inputs[0]);
    switch (op.kind) {
      case Kind::product:
        add_product(op, x, n);
        return;
      case Kind::join: {
        const std::string out = array(op.output, name_of(op));
        std::size_t column = 0;
        for (const int part : op.inputs) {
          copy(fmt::format("{}[{} + i]", out, column), value(part), width(part));
          column += width(part);
        }
        return;
      }
      case Kind::reduce: {
        const auto& reductions = kernel::reductions<S>();
        const char* function = op.reduce == reductions.sum   ? "sum"
                               : op.reduce == reductions.max ? "max"
                               : op.reduce == reductions.min ? "min"
                                                             : nullptr;
        if (function == nullptr || n != 1) refuse(op);
        needs_.functions.insert(function);
        const std::string out = array(op.output, name_of(op));
        body_ +=
            fmt::format("  {}[0] = {}_{}({}, {});\n", out, style_.name, function, width(op.inputs[0]), x);
        return;
      }
      case Kind::standardize:
        if (op.first != 0) refuse(op);
        needs_.functions.insert("standardize");
        body_ += fmt::format("  {0}_standardize({1}, {2}, {3}, {4});\n", style_.name, n, x,
                             c_number(static_cast<float>(op.constant[0])), array(op.output, name_of(op)));
        return;
      case Kind::softmax: {
        const char* function = op.softmax == kernel::axis_kernels<S>().softmax ? "softmax" : "log_softmax";
        needs_.functions.insert(function);
        body_ +=
            fmt::format("  {}_{}({}, {}, {});\n", style_.name, function, n, x, array(op.output, name_of(op)));
        return;
      }
      default:
        refuse(op);
    }
  }
  void add_product(const Instruction<S>& op, const std::string& x, std::size_t n) {
    const std::size_t k = width(op.inputs[0]);
    if (op.transpose_a || !is_external(op.inputs[1])) refuse(op);
    const std::string out = array(op.output, name_of(op));
    const bool biased = op.inputs.size() > (op.adds ? 3U : 2U);
    std::string start = "0.0f";
    if (biased) start = constant(op.inputs[2]) + "[i]";
    if (op.adds) start = (biased ? start + " + " : "") + value(op.inputs.back()) + "[i]";
    body_ += fmt::format("  for (i = 0; i < {}; ++i) {}[i] = {};\n", n, out, start);
    loops_ = true;
    const std::string w = matrix(op, n, k);
    const bool bytes = style_.int8;
    needs_.functions.insert(bytes ? "multiply_int8" : "multiply");
    body_ += fmt::format("  {}_multiply{}({}, {}, {}, {}{}, {});\n", style_.name, bytes ? "_int8" : "", n, k,
                         w, bytes ? w + "_scale, " : "", x, out);
  }
  std::string value(int number) { return is_external(number) ? constant(number) : values_.at(number); }
  void copy(const std::string& to, const std::string& from, std::size_t count) {
    body_ += fmt::format("  for (i = 0; i < {}; ++i) {} = {}[i];\n", count, to, from);
    loops_ = true;
  }

  // y, then the state: what one becomes may be what another one was.
  void finish() {
    const std::size_t states = result_.states.size();
    std::vector<std::string> next;
    for (std::size_t k = 0; k < states; ++k) {
      std::string from = value(program_.next[k]);
      const bool is_state = program_.next[k] >= 1 && program_.next[k] <= static_cast<int>(states);
      if (is_state && program_.next[k] != static_cast<int>(1 + k)) {
        const std::string old = fmt::format("old{}", k);
        declarations_ += fmt::format("  float {}[{}];\n", old, result_.states[k].initial.size());
        copy(old + "[i]", from, result_.states[k].initial.size());
        from = old;
      }
      next.push_back(from);
    }
    std::size_t column = 0;
    const std::size_t outputs = std::max<std::size_t>(step_.outputs.size(), 1);
    for (std::size_t k = 0; k < outputs; ++k) {
      const int number = program_.next[step_.result + k];
      const std::string from = step_.result + k < states ? next[step_.result + k] : value(number);
      copy(column == 0 ? "y[i]" : fmt::format("y[{} + i]", column), from, width(number));
      column += width(number);
    }
    result_.output = column;
    for (std::size_t k = 0; k < states; ++k) {
      if (program_.next[k] == static_cast<int>(1 + k)) continue;
      copy(fmt::format("s->{}[i]", result_.states[k].name), next[k], result_.states[k].initial.size());
    }
    if (states == 0) body_ += "  (void)s;\n";
    if (loops_) declarations_ += "  int i;\n";
  }
  [[noreturn]] void refuse(const Instruction<S>& op) const {
    throw ArgumentError(fmt::format("[export_c] {} step: expected ops that C has code for, got {}",
                                    layer_.str(), name_of(op)));
  }

  const LayerName& layer_;
  const StepProgram<S>& step_;
  const Program<S>& program_;
  const CStyle& style_;
  CNeeds& needs_;
  const std::string prefix_;
  CLayer result_;
  std::string declarations_, body_;
  bool loops_ = false;
  std::map<int, std::string> values_, locals_;
  std::map<std::pair<int, int>, std::string> constants_;
  std::map<int, int> bases_, uses_, read_in_loop_;
  std::map<int, std::pair<int, std::size_t>> parts_;  // a cut's value, and where it begins
  std::set<int> in_loop_;
  std::vector<std::pair<int, std::string>> loop_;
  std::size_t loop_width_ = 0;
};

}  // namespace

std::string c_number(float value) {
  if (std::isinf(value)) return value > 0.0F ? "(1.0f / 0.0f)" : "(-1.0f / 0.0f)";
  std::string text = fmt::format("{:.9g}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text + "f";
}

std::string c_array(const std::string& name, const std::vector<float>& values) {
  std::vector<std::string> items;
  for (const float value : values) {
    if (std::isnan(value)) throw ArgumentError(fmt::format("[export_c] {}: expected numbers, got NaN", name));
    items.push_back(c_number(value));
  }
  return fmt::format("static const float {}[{}] = {{\n{}}};\n", name, values.size(), wrapped(items));
}

std::string c_rows(const std::string& name, const std::vector<float>& values, std::size_t rows,
                   const CStyle& style, CNeeds& needs) {
  return matrix_text(name, values, rows, style, needs, false);
}

std::string c_table(const std::string& name, const std::vector<float>& values, std::size_t rows,
                    const CStyle& style, CNeeds& needs) {
  return matrix_text(name, values, rows, style, needs, true);
}

std::vector<float> through_int8(const std::vector<float>& values, std::size_t rows) {
  const std::vector<float> scale = scales(values, rows);
  const std::size_t columns = values.size() / rows;
  std::vector<float> result;
  for (std::size_t i = 0; i < values.size(); ++i)
    result.push_back(static_cast<float>(quantized(values[i], scale[i / columns])) * scale[i / columns]);
  return result;
}

template <class S>
CLayer c_layer(const LayerName& layer, const StepProgram<S>& program, std::size_t index, const CStyle& style,
               CNeeds& needs) {
  return Code<S>(layer, program, index, style, needs).write();
}

template <class S>
CLayer c_linear(const Var<S>& weight, const Var<S>& bias, std::size_t index, const CStyle& style,
                CNeeds& needs) {
  const std::string prefix = fmt::format("{}_l{}", style.name, index), w = prefix + "_weight";
  CLayer result;
  result.output = weight.shape(0);
  result.input = weight.shape(1);
  result.constants = c_table(w, floats(weight), result.output, style, needs);
  if (bias.defined()) {
    result.constants += c_array(prefix + "_bias", floats(bias));
    needs.weight_bytes += 4 * result.output;
  }
  needs.functions.insert(style.int8 ? "multiply_int8" : "multiply");
  result.function = fmt::format(
      "static void {0}({1}_state *s, const float *x, float *y) {{\n  int i;\n  for (i = 0; i < {2}; ++i) "
      "y[i] = {3};\n"
      "  {1}_multiply{4}({2}, {5}, {6}, {7}x, y);\n  (void)s;\n}}\n",
      prefix, style.name, result.output, bias.defined() ? prefix + "_bias[i]" : "0.0f",
      style.int8 ? "_int8" : "", result.input, w, style.int8 ? w + "_scale, " : "");
  return result;
}

#define UNROLL_INSTANTIATE(S)                                                                            \
  template CLayer c_layer(const LayerName&, const StepProgram<S>&, std::size_t, const CStyle&, CNeeds&); \
  template CLayer c_linear(const Var<S>&, const Var<S>&, std::size_t, const CStyle&, CNeeds&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
