#include "deploy/c_layer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "deploy/c_expression.hpp"
#include "framework/errors.hpp"
#include "framework/program/program.hpp"

namespace unroll::detail {
namespace {

std::string c_signature(std::size_t index, bool has_state) {
  return fmt::format("@@_CLONED\nstatic void @_l{}({}const float *@@_RESTRICT x, float *@@_RESTRICT y)",
                     index, has_state ? "@_state *s, " : "");
}

// Writes the function of one program, instruction by instruction. Element-wise ones of one width that follow
// each other share a loop, in which each result is a variable; it becomes an array if another loop reads it.
template <class S>
class Writer {
 public:
  Writer(const LayerName& model, const StepProgram<S>& step, std::size_t index, CParts& parts)
      : model_(model), step_(step), program_(*step.program), index_(index), parts_(parts) {
    layer_.inputs = step.input;
    places_[0] = {"x", 0};
    for (std::size_t k = 0; k < step.names.size(); ++k) {
      const std::string name = fmt::format("l{}_{}", index, unique(c_name(step.names[k])));
      layer_.states.push_back({name, as_floats(name, step.initial[k])});
      places_[static_cast<int>(1 + k)] = {"s->" + name, 0};
    }
    for_each_instruction([&](const Instruction<S>& op) {
      for (const int in : op.inputs) ++reads_[in];
    });
    for (const int next : program_.next) kept_.insert(next);
    find_sums();
    reads_x_ = reads_[0] > 0 || kept_.count(0) != 0;
  }

  CLayer write() {
    for_each_instruction([&](const Instruction<S>& op) { add(op); });
    close_loop();
    write_results();
    layer_.uses_state = body_.find("s->") != std::string::npos;
    layer_.function =
        c_signature(index_, layer_.uses_state) + " {\n" + declarations_ + "  int i;\n" + body_ + "}\n";
    return std::move(layer_);
  }

 private:
  // Where the elements of a value are.
  struct Place {
    std::string array;
    std::size_t first = 0;
  };

  enum class Form { array, matrix, transposed };

  template <class F>
  void for_each_instruction(const F& f) const {
    for (const auto* list : {&program_.forward.before, &program_.forward.loop})
      for (const Instruction<S>& op : *list) f(op);
  }
  // A product that is only read by one that adds to it: both are sums in one array, which begins with all
  // biases.
  void find_sums() {
    std::set<int> products;
    for_each_instruction([&](const Instruction<S>& op) {
      if (op.kind != Kind::product) return;
      products.insert(op.output);
      if (!op.adds) return;
      const int addend = op.inputs.back();
      if (products.count(addend) != 0 && reads_[addend] == 1 && kept_.count(addend) == 0)
        goes_on_[addend] = &op;
    });
  }
  std::size_t width(int number) const { return program_.values[static_cast<std::size_t>(number)].width; }
  bool is_external(int number) const {
    return program_.values[static_cast<std::size_t>(number)].role == ProgramValue::Role::external;
  }
  std::size_t external_index(int number) const {
    const auto& all = program_.externals;
    return static_cast<std::size_t>(std::find(all.begin(), all.end(), number) - all.begin());
  }
  const Var<S>& external(int number) const { return step_.externals[external_index(number)]; }
  std::string external_name(int number, const char* form) {
    const std::string& name = step_.external_names[external_index(number)];
    return fmt::format("@_l{}_{}", index_, unique((name.empty() ? "constant" : c_name(name)) + form));
  }
  std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 2; names_.count(name) != 0 || names_.count(name + "_scale") != 0; ++i)
      name = fmt::format("{}_{}", wanted, i);
    names_.insert({name, name + "_scale"});
    return name;
  }

  std::string constant(int number) {
    std::string& name = constants_[{number, Form::array}];
    if (name.empty()) {
      name = external_name(number, "");
      layer_.constants += c_array(name, as_floats(name, external(number)), parts_);
    }
    return name;
  }
  // The array of a product's bias and of those that follow in the same sum; "" if there is none.
  std::string biases(const Instruction<S>& first, std::size_t n) {
    std::vector<int> all;
    for (const Instruction<S>* op = &first; op != nullptr;) {
      if (op->inputs.size() > (op->adds ? 3U : 2U)) all.push_back(op->inputs[2]);
      const auto next = goes_on_.find(op->output);
      op = next == goes_on_.end() ? nullptr : next->second;
    }
    if (all.size() < 2) return all.empty() ? "" : constant(all[0]);
    std::string name;
    std::vector<float> sum(n, 0.0F);
    for (const int bias : all) {
      name += (name.empty() ? "" : "_plus_") + c_name(step_.external_names[external_index(bias)]);
      const std::vector<float> values = as_floats(step_.external_names[external_index(bias)], external(bias));
      std::transform(sum.begin(), sum.end(), values.begin(), sum.begin(), std::plus<>());
    }
    name = fmt::format("@_l{}_{}", index_, unique(name));
    layer_.constants += c_array(name, sum, parts_);
    return name;
  }
  // (n,k), transposed if need be.
  std::string matrix(const Instruction<S>& op, std::size_t n, std::size_t k) {
    std::string& name = constants_[{op.inputs[1], op.transpose_b ? Form::matrix : Form::transposed}];
    if (!name.empty()) return name;
    name = external_name(op.inputs[1], op.transpose_b ? "" : "_transposed");
    const std::vector<float> given = as_floats(name, external(op.inputs[1]));
    std::vector<float> w = given;
    if (!op.transpose_b) {
      for (std::size_t j = 0; j < n; ++j)
        for (std::size_t p = 0; p < k; ++p) w[j * k + p] = given[p * n + j];
    }
    layer_.constants += c_matrix(name, w, n, COrder::blocks, as_bytes(op), parts_);
    return name;
  }

  bool as_bytes(const Instruction<S>& op) const {
    return parts_.int8 && is_read_by_products_alone(program_, op.inputs[1]);
  }
  std::string place(int number) {
    if (is_external(number)) return constant(number);
    const Place& at = places_.at(number);
    return at.first == 0 ? at.array : fmt::format("({} + {})", at.array, at.first);
  }
  std::string new_array(const Instruction<S>& op) {
    const std::string name = fmt::format("v{}", op.output);
    declarations_ += fmt::format("  float {}[{}];  /* {} */\n", name, width(op.output), c_name(name_of(op)));
    places_[op.output] = {name, 0};
    layer_.scratch += width(op.output);
    return name;
  }
  // An operand of a loop over n elements.
  std::string element(int number, std::size_t n) {
    if (in_loop_.count(number) != 0) return fmt::format("t{}", number);
    if (is_external(number)) return constant(number) + (external(number).size() == 1 ? "[0]" : "[i]");
    const auto& [array, first] = places_.at(number);
    if (width(number) != n) return fmt::format("{}[{}]", array, first);
    return first == 0 ? array + "[i]" : fmt::format("{}[{} + i]", array, first);
  }

  void add(const Instruction<S>& op) {
    const std::size_t n = width(op.output);
    if (op.kind == Kind::unary || op.kind == Kind::binary) return add_element_wise(op, n);
    if (op.kind != Kind::cut || in_loop_.count(op.inputs[0]) != 0) close_loop();
    const std::string x = op.inputs.empty() ? "" : place(op.inputs[0]);
    switch (op.kind) {
      case Kind::cut: {
        const Place& base = places_.at(op.inputs[0]);
        places_[op.output] = {base.array, base.first + op.first};
        return;
      }
      case Kind::product:
        return add_product(op, x, n);
      case Kind::join: {
        const std::string out = new_array(op);
        std::size_t column = 0;
        for (const int part : op.inputs) {
          loop(width(part), fmt::format("{}[{} + i] = {}[i]", out, column, place(part)));
          column += width(part);
        }
        return;
      }
      case Kind::pad: {
        const std::string out = new_array(op);
        loop(n, out + "[i] = 0.0f");
        return loop(width(op.inputs[0]), fmt::format("{}[{} + i] = {}[i]", out, op.first, x));
      }
      case Kind::zeros:
        return loop(n, new_array(op) + "[i] = 0.0f");
      case Kind::fill:
        return loop(n, fmt::format("{}[i] = {}[0]", new_array(op), x));
      case Kind::reduce: {
        const auto& known = kernel::reductions<S>();
        const char* function = op.reduce == known.sum   ? "sum"
                               : op.reduce == known.max ? "max"
                               : op.reduce == known.min ? "min"
                                                        : nullptr;
        if (function == nullptr || n != 1) refuse(op);
        parts_.functions.insert(function);
        return statement(
            fmt::format("{}[0] = @_{}({}, {})", new_array(op), function, width(op.inputs[0]), x));
      }
      case Kind::standardize:
        if (op.first != 0) refuse(op);
        parts_.functions.insert("standardize");
        return statement(fmt::format("@_standardize({}, {}, {}, {})", n, x,
                                     c_number(as_float(name_of(op), op.constant[0])), new_array(op)));
      case Kind::softmax: {
        const char* function = op.softmax == kernel::axis_kernels<S>().softmax ? "softmax" : "log_softmax";
        parts_.functions.insert(function);
        return statement(fmt::format("@_{}({}, {}, {})", function, n, x, new_array(op)));
      }
      default:
        refuse(op);
    }
  }

  void add_element_wise(const Instruction<S>& op, std::size_t n) {
    const CExpression* const how = c_expression(op);
    if (how == nullptr) refuse(op);
    // Within a loop, a value's other elements are not there yet.
    const bool reads_others = std::any_of(op.inputs.begin(), op.inputs.end(),
                                          [&](int in) { return in_loop_.count(in) != 0 && width(in) != n; });
    if (loop_width_ != n || reads_others) close_loop();
    loop_width_ = n;
    if (*how->calls != '\0') parts_.functions.insert(how->calls);
    const std::string x = element(op.inputs[0], n);
    const std::string y = op.inputs.size() > 1 ? element(op.inputs[1], n) : "";
    loop_body_ += fmt::format("    const float t{} = {};  /* {} */\n", op.output,
                              fmt::format(fmt::runtime(how->text), fmt::arg("x", x), fmt::arg("y", y),
                                          fmt::arg("c", c_number(as_float(name_of(op), op.constant[0]))),
                                          fmt::arg("d", c_number(as_float(name_of(op), op.constant[1])))),
                              c_name(name_of(op)));
    for (const int in : op.inputs) --reads_[in];
    in_loop_[op.output] = &op;
  }
  void close_loop() {
    if (loop_width_ == 0) return;
    std::map<int, const Instruction<S>*> made;
    std::swap(made, in_loop_);
    for (const auto& [number, op] : made) {
      if (reads_[number] == 0 && kept_.count(number) == 0) continue;
      loop_body_ += fmt::format("    {}[i] = t{};\n", new_array(*op), number);
    }
    body_ += fmt::format("  for (i = 0; i < {}; ++i) {{\n{}  }}\n", loop_width_, loop_body_);
    loop_body_.clear();
    loop_width_ = 0;
  }

  void add_product(const Instruction<S>& op, const std::string& x, std::size_t n) {
    const std::size_t k = width(op.inputs[0]);
    if (op.transpose_a || !is_external(op.inputs[1])) refuse(op);
    const std::string w = matrix(op, n, k);
    const auto before = op.adds ? goes_on_.find(op.inputs.back()) : goes_on_.end();
    if (before != goes_on_.end()) {
      places_[op.output] = places_.at(before->first);
    } else {
      const std::string bias = biases(op, n);
      std::string start = bias.empty() ? "" : bias + "[i]";
      if (op.adds) start += (bias.empty() ? "" : " + ") + place(op.inputs.back()) + "[i]";
      loop(n, fmt::format("{}[i] = {}", new_array(op), start.empty() ? "0.0f" : start));
    }
    const std::string out = place(op.output);
    statement(c_multiply(n, k, w, x, out, as_bytes(op), parts_));
  }

  // y, and the state after it: what one value becomes may be what another one was.
  void write_results() {
    const std::size_t states = layer_.states.size();
    std::vector<std::string> next;
    for (std::size_t k = 0; k < program_.next.size(); ++k) {
      const int number = program_.next[k];
      next.push_back(place(number));
      const bool of_state = !is_external(number) && places_.at(number).array.starts_with("s->");
      if (!of_state || number == static_cast<int>(1 + k)) continue;
      const std::string before = fmt::format("before{}", k);
      declarations_ += fmt::format("  float {}[{}];\n", before, width(number));
      layer_.scratch += width(number);
      loop(width(number), fmt::format("{}[i] = {}[i]", before, next.back()));
      next.back() = before;
    }
    const std::size_t outputs = std::max<std::size_t>(step_.outputs.size(), 1);
    for (std::size_t k = step_.result; k < step_.result + outputs; ++k) {
      const std::size_t n = width(program_.next[k]);
      const std::string at = layer_.outputs == 0 ? "y[i]" : fmt::format("y[{} + i]", layer_.outputs);
      loop(n, fmt::format("{} = {}[i]", at, next[k]));
      layer_.outputs += n;
      if (!step_.outputs.empty())
        layer_.output_names += fmt::format("{}{}[{}]", layer_.output_names.empty() ? "" : ", ",
                                           c_name(step_.outputs[k - step_.result]), n);
    }
    for (std::size_t k = 0; k < states; ++k) {
      if (program_.next[k] == static_cast<int>(1 + k)) continue;  // unchanged
      loop(layer_.states[k].initial.size(), fmt::format("s->{}[i] = {}[i]", layer_.states[k].name, next[k]));
    }
    if (!reads_x_) statement("(void)x");
  }

  void loop(std::size_t n, const std::string& text) {
    body_ += fmt::format("  for (i = 0; i < {}; ++i) {};\n", n, text);
  }
  void statement(const std::string& text) { body_ += "  " + text + ";\n"; }

  [[noreturn]] void refuse(const Instruction<S>& op) const {
    throw ArgumentError(fmt::format("[{}.export_c] step: expected ops that C has code for, got {}",
                                    model_.str(), name_of(op)));
  }

  const LayerName& model_;
  const StepProgram<S>& step_;
  const Program<S>& program_;
  const std::size_t index_;
  CParts& parts_;
  CLayer layer_ = {};
  std::string declarations_ = {}, body_ = {};
  std::map<int, Place> places_ = {};
  std::map<std::pair<int, Form>, std::string> constants_ = {};  // their names
  std::set<std::string> names_ = {};                            // all names in use
  std::map<int, int> reads_ = {};  // by element-wise instructions to come, and all others
  std::set<int> kept_ = {};        // what write_results() reads
  bool reads_x_ = false;
  std::map<int, const Instruction<S>*> goes_on_ = {};  // by product: the one that adds to it
  std::map<int, const Instruction<S>*> in_loop_ = {};  // the open loop's variables
  std::string loop_body_ = {};
  std::size_t loop_width_ = 0;
};

}  // namespace

template <class S>
bool is_read_by_products_alone(const Program<S>& program, int external) {
  std::set<bool> transposed;
  for (const auto* list : {&program.forward.before, &program.forward.loop}) {
    for (const Instruction<S>& op : *list) {
      for (std::size_t k = 0; k < op.inputs.size(); ++k) {
        if (op.inputs[k] != external) continue;
        if (op.kind != Kind::product || k != 1) return false;
        transposed.insert(op.transpose_b);
      }
    }
  }
  return transposed.size() == 1;
}

template <class S>
CLayer c_layer(const LayerName& model, const StepProgram<S>& step, std::size_t index, CParts& parts) {
  return Writer<S>(model, step, index, parts).write();
}

template <class S>
CLayer c_linear(const Var<S>& weight, const Var<S>& bias, std::size_t index, CParts& parts) {
  const std::string w = fmt::format("@_l{}_weight", index), b = fmt::format("@_l{}_bias", index);
  const std::size_t n = weight.shape(0), k = weight.shape(1);
  CLayer layer{.inputs = k, .outputs = n};
  layer.constants = c_matrix(w, as_floats(w, weight), n, COrder::blocks, parts.int8, parts);
  if (bias.defined()) layer.constants += c_array(b, as_floats(b, bias), parts);
  layer.function =
      c_signature(index, false) +
      fmt::format(" {{\n  int i;\n  for (i = 0; i < {}; ++i) y[i] = {};\n  {};\n}}\n", n,
                  bias.defined() ? b + "[i]" : "0.0f", c_multiply(n, k, w, "x", "y", parts.int8, parts));
  return layer;
}

#define UNROLL_INSTANTIATE(S)                                                             \
  template bool is_read_by_products_alone(const Program<S>&, int);                        \
  template CLayer c_layer(const LayerName&, const StepProgram<S>&, std::size_t, CParts&); \
  template CLayer c_linear(const Var<S>&, const Var<S>&, std::size_t, CParts&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
