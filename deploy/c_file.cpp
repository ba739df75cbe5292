#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>

#include "deploy/c_code.hpp"
#include "deploy/export_c.hpp"
#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/program/program.hpp"
#include "framework/quoted.hpp"
#include "layers/stream/model.hpp"

namespace unroll::detail {
namespace {

constexpr std::size_t kTestSteps = 8;

// NAME_ and NAME_UPPER_ are replaced.
std::string named(std::string text, const std::string& name) {
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto replace = [&](const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  };
  replace("NAME_UPPER", upper);
  replace("NAME", name);
  return text;
}

template <class S>
Var<S> rounded(const Var<S>& matrix, bool rows_are_outputs) {
  const Var<S> turned = rows_are_outputs ? matrix : transpose(matrix);
  std::vector<float> values;
  const Tensor<S> rows = turned.value();
  for (const S v : rows) values.push_back(static_cast<float>(v));
  values = through_int8(values, rows.shape()[0]);
  Tensor<S> result = rows;
  std::transform(values.begin(), values.end(), result.data(), [](float v) { return static_cast<S>(v); });
  const Var<S> made(std::move(result));
  return rows_are_outputs ? made : Var<S>(transpose(made).value());
}

// The same model with the weights that its bytes stand for.
template <class S>
StreamSource<S> through_int8(const StreamSource<S>& source) {
  const NoGrad constants;
  StreamSource<S> result = source;
  for (StreamCell<S>& cell : result.cells) {
    const auto& step = static_cast<const StepProgram<S>&>(*cell.program);
    auto copy = std::make_shared<StepProgram<S>>(step);
    copy->packed = std::make_shared<PackedWeights<S>>();
    for (const auto* list : {&step.program->forward.before, &step.program->forward.loop}) {
      for (const Instruction<S>& op : *list) {
        if (op.kind != Kind::product) continue;
        const auto& numbers = step.program->externals;
        const auto found = std::find(numbers.begin(), numbers.end(), op.inputs[1]);
        if (found == numbers.end()) continue;
        const auto index = static_cast<std::size_t>(found - numbers.begin());
        copy->externals[index] = rounded(step.externals[index], op.transpose_b);
      }
    }
    cell.program = std::move(copy);
  }
  if (source.embedding.defined()) result.embedding = rounded(source.embedding, true);
  if (source.has_head) result.head_weight = rounded(source.head_weight, true);
  return result;
}

void write_text(const std::string& file, const std::string& text) {
  AtomicFile out(file, "export_c");
  out.write(text.data(), text.size());
  out.commit();
}

// The text of a header and a file.
class CFile {
 public:
  CFile(std::string name, bool int8) : style_{std::move(name), int8} {}

  template <class S>
  void add(const StreamSource<S>& source) {
    for (const StreamCell<S>& cell : source.cells)
      layers_.push_back(c_layer(source.layer, static_cast<const StepProgram<S>&>(*cell.program),
                                layers_.size(), style_, needs_));
    if (source.has_head)
      layers_.push_back(c_linear(source.head_weight, source.head_bias, layers_.size(), style_, needs_));
    if (source.embedding.defined()) {
      vocabulary_ = source.embedding.shape(0);
      std::vector<float> rows;
      for (std::size_t i = 0; i < source.embedding.size(); ++i)
        rows.push_back(static_cast<float>(source.embedding.data()[i]));
      table_ = c_rows("NAME_embedding", rows, vocabulary_, style_, needs_);  // one row at a time: no blocks
    }
    test(source);
  }

  std::string header() const;
  std::string code() const;

 private:
  template <class S>
  void test(const StreamSource<S>& source) {
    const auto state = build_stream(source);
    const std::size_t inputs = state->model->input, outputs = layers_.back().output;
    for (std::size_t t = 0; t < kTestSteps; ++t) {
      std::vector<S> x;
      for (std::size_t i = 0; i < inputs; ++i) {
        const std::size_t n = t * inputs + i;
        const double value = vocabulary_ > 0 ? static_cast<double>((n * 5 + n / 3) % vocabulary_)
                                             : (static_cast<double>((n * 37 + 11) % 64) - 32.0) / 32.0;
        x.push_back(static_cast<S>(value));
        test_x_.push_back(static_cast<float>(value));
      }
      const std::int64_t id = vocabulary_ > 0 ? static_cast<std::int64_t>(x[0]) : 0;
      const S* y = state->step(vocabulary_ > 0 ? state->embed(&id) : x.data());
      if (layers_.back().outputs.empty()) {
        for (std::size_t i = 0; i < outputs; ++i) test_y_.push_back(static_cast<float>(y[i]));
        continue;
      }
      for (const auto& program : state->programs) {
        if (program == nullptr) continue;
        for (const StreamOutput<S>& output : program->outputs)
          for (const S v : output.y) test_y_.push_back(static_cast<float>(v));
      }
    }
  }
  std::size_t input() const { return vocabulary_ > 0 ? 1 : layers_.front().input; }
  std::size_t embedded() const { return layers_.front().input; }
  std::size_t state_floats() const {
    std::size_t count = 0;
    for (const CLayer& layer : layers_)
      for (const CState& state : layer.states) count += state.initial.size();
    return count;
  }
  // "int NAME_step(NAME_state *s, ...)", with n steps if many.
  std::string declaration(const char* function, bool many) const {
    return fmt::format("{} NAME_{}(NAME_state *s, {}{}, float *y)", vocabulary_ > 0 ? "int" : "void",
                       function, many ? "size_t n, " : "",
                       vocabulary_ > 0 ? (many ? "const int32_t *ids" : "int32_t id") : "const float *x");
  }

  CStyle style_;
  CNeeds needs_ = {};
  std::vector<CLayer> layers_ = {};
  std::size_t vocabulary_ = 0;
  std::string table_ = {};
  std::vector<float> test_x_ = {}, test_y_ = {};
};

std::string CFile::header() const {
  std::string text = fmt::format(
      R"(/* One step of a recurrent model, written by Unroll: {} weights in {} bytes, a state of {} bytes.
   NAME_reset sets a state to its beginning{}. */
#ifndef NAME_UPPER_H
#define NAME_UPPER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define NAME_UPPER_INPUTS {}
#define NAME_UPPER_OUTPUTS {}
)",
      style_.int8 ? "int8" : "float", needs_.weight_bytes, 4 * state_floats(),
      vocabulary_ > 0 ? "; id is below NAME_UPPER_VOCABULARY" : "", input(), layers_.back().output);
  if (vocabulary_ > 0) text += fmt::format("#define NAME_UPPER_VOCABULARY {}\n", vocabulary_);
  text += "\ntypedef struct NAME_state {\n";
  for (const CLayer& layer : layers_)
    for (const CState& state : layer.states)
      text += fmt::format("  float {}[{}];\n", state.name, state.initial.size());
  if (state_floats() == 0) text += "  float none;\n";
  text += fmt::format("}} NAME_state;\n\nvoid NAME_reset(NAME_state *s);\n{};\n{};\n",
                      declaration("step", false), declaration("block", true));
  text +=
      "/* Returns 0 if some steps give the numbers that they gave where this file was written. */\nint "
      "NAME_selftest(void);\n";
  text += "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
  return named(text, style_.name);
}

std::string CFile::code() const {
  // Loops are vectorised only if a comparison may not trap, and become no calls of the C library.
  std::string text = R"(#include "NAME.h"

#ifdef __cplusplus
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memset"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC optimize("no-trapping-math", "no-tree-loop-distribute-patterns")
#endif
)";
  text += c_functions(needs_.functions, style_);
  for (const CLayer& layer : layers_) {
    text += fmt::format("\n/* Layer {}: {} -> {}. */\n", &layer - layers_.data(), layer.input, layer.output);
    text += layer.constants + layer.function;
  }
  text += "\nvoid NAME_reset(NAME_state *s) {\n";
  std::string constants;
  bool loops = false;
  for (const CLayer& layer : layers_) {
    for (const CState& state : layer.states) {
      const bool zero =
          std::all_of(state.initial.begin(), state.initial.end(), [](float v) { return v == 0.0F; });
      if (!zero) constants += c_array(fmt::format("NAME_{}_initial", state.name), state.initial);
      text += fmt::format("  for (i = 0; i < {}; ++i) s->{}[i] = {};\n", state.initial.size(), state.name,
                          zero ? "0.0f" : fmt::format("NAME_{}_initial[i]", state.name));
      loops = true;
    }
  }
  const std::string begin = "void NAME_reset(NAME_state *s) {\n";
  text.insert(text.rfind(begin) + begin.size(), loops ? "  int i;\n" : "");
  if (!loops) text += "  s->none = 0.0f;\n";
  text.insert(text.rfind(begin), constants);
  text += "}\n\n";
  // A step: each layer's output is the next one's input.
  if (vocabulary_ > 0) {
    text += table_;
    text += fmt::format("\n{} {{\n", declaration("step", false));
  } else {
    text += fmt::format("{} {{\n", declaration("step", false));
  }
  std::string calls, from = vocabulary_ > 0 && !style_.int8
                                ? fmt::format("NAME_embedding + (size_t)id * {}", embedded())
                                : "x";
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const bool last = l + 1 == layers_.size();
    if (!last) text += fmt::format("  float y{}[{}];\n", l, layers_[l].output);
    const std::string to = last ? "y" : fmt::format("y{}", l);
    calls += fmt::format("  NAME_l{}(s, {}, {});\n", l, from, to);
    from = to;
  }
  if (vocabulary_ > 0) {
    if (style_.int8) text += fmt::format("  float x[{}];\n  int i;\n", embedded());
    text += fmt::format("  if (id < 0 || id >= {}) return 0;\n", vocabulary_);
    if (style_.int8)
      text += fmt::format(
          "  for (i = 0; i < {0}; ++i) x[i] = NAME_embedding_scale[id] * (float)NAME_embedding[(size_t)id * "
          "{0} + (size_t)i];\n",
          embedded());
  }
  text += calls + (vocabulary_ > 0 ? "  return 1;\n}\n\n" : "}\n\n");
  text += fmt::format("{} {{\n  size_t t;\n", declaration("block", true));
  if (vocabulary_ > 0) {
    text += fmt::format("  for (t = 0; t < n; ++t)\n    if (ids[t] < 0 || ids[t] >= {}) return 0;\n",
                        vocabulary_);
    text +=
        fmt::format("  for (t = 0; t < n; ++t) (void)NAME_step(s, ids[t], y + t * {});\n  return 1;\n}}\n\n",
                    layers_.back().output);
  } else {
    text += fmt::format("  for (t = 0; t < n; ++t) NAME_step(s, x + t * {}, y + t * {});\n}}\n\n", input(),
                        layers_.back().output);
  }
  // The test.
  if (vocabulary_ > 0) {
    text += "static const int32_t NAME_test_x[] = {";
    for (const float id : test_x_) text += fmt::format("{}, ", static_cast<int>(id));
    text += "};\n";
  } else {
    text += c_array("NAME_test_x", test_x_);
  }
  text += c_array("NAME_test_y", test_y_);
  text += fmt::format(R"(
int NAME_selftest(void) {{
  NAME_state s;
  float y[{0}];
  int t, i;
  NAME_reset(&s);
  for (t = 0; t < {1}; ++t) {{
    {2};
    for (i = 0; i < {0}; ++i) {{
      const float want = NAME_test_y[t * {0} + i], error = y[i] - want;
      const float most = 1e-4f * (1.0f + (want < 0.0f ? -want : want));
      if (!(error <= most && error >= -most)) return 1;
    }}
  }}
  return 0;
}}

#if defined(__clang__)
#pragma clang attribute pop
#endif
)",
                      layers_.back().output, kTestSteps,
                      vocabulary_ > 0 ? "(void)NAME_step(&s, NAME_test_x[t], y)"
                                      : fmt::format("NAME_step(&s, NAME_test_x + t * {}, y)", input()));
  return named(text, style_.name);
}

}  // namespace

template <class S>
void write_c(const StreamSource<S>& source, const std::string& file, const COptions& options) {
  const std::filesystem::path path(file);
  if (path.extension() != ".c")
    throw ArgumentError(
        fmt::format("[export_c] file: expected one that ends with .c, got '{}'", escaped(file)));
  const std::string name = options.name.empty() ? path.stem().string() : options.name;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const bool good = !name.empty() && is_letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
  });
  if (!good)
    throw ArgumentError(fmt::format(
        "[export_c] name: expected letters, digits and '_', a letter first, got '{}' (set COptions::name)",
        escaped(name)));
  if (source.cells.empty())
    throw ArgumentError(
        fmt::format("[{}.export_c] layer: expected one with cells, got an empty one", source.layer.str()));
  CFile text(name, options.int8);
  text.add(options.int8 ? through_int8(source) : source);
  const std::string code = text.code();
  const std::string head = path.stem().string();
  std::string out = code;
  const std::string wanted = fmt::format("#include \"{}.h\"", name);
  out.replace(out.find(wanted), wanted.size(), fmt::format("#include \"{}.h\"", head));
  write_text(path.parent_path() / (head + ".h"), text.header());
  write_text(file, out);
}

template void write_c(const StreamSource<float>&, const std::string&, const COptions&);
template void write_c(const StreamSource<double>&, const std::string&, const COptions&);

}  // namespace unroll::detail
