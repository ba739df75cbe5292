#include "deploy/export_c.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <sstream>

#include "deploy/c_layer.hpp"
#include "deploy/quantized.hpp"
#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/program/program.hpp"
#include "framework/quoted.hpp"
#include "layers/stream/model.hpp"

namespace unroll {
namespace detail {
namespace {

constexpr std::size_t kTestSteps = 8;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Replaces '@' and '@@'.
std::string with_name(const std::string& text, const std::string& name) {
  std::string capitals = name;
  std::transform(name.begin(), name.end(), capitals.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string result;
  result.reserve(text.size() * 9 / 8);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '@') {
      result += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '@') {
      result += capitals;
      ++i;
    } else {
      result += name;
    }
  }
  return result;
}

// Nothing in it ends the comment, begins another one or joins two lines.
std::string as_comment(const std::string& text) {
  if (text.empty()) return "";
  std::string result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line = escaped(line);
    for (const char* mark : {"*/", "/*", "??"})
      for (std::size_t at = 0; (at = line.find(mark, at)) != std::string::npos;) line.insert(at + 1, " ");
    if (line.ends_with('\\')) line += " .";
    result += (result.empty() ? "/* " : "\n   ") + line;
  }
  return result + " */\n";
}

// The two files as texts.
class CFile {
 public:
  template <class S>
  CFile(const StreamSource<S>& source, const COptions& options) : comment_(as_comment(options.comment)) {
    parts_.int8 = options.int8;
    for (const StreamCell<S>& cell : source.cells)
      layers_.push_back(
          c_layer(source.layer, static_cast<const StepProgram<S>&>(*cell.program), layers_.size(), parts_));
    if (source.has_head)
      layers_.push_back(c_linear(source.head_weight, source.head_bias, layers_.size(), parts_));
    if (source.embedding.defined()) {
      vocabulary_ = source.embedding.shape(0);
      table_ = c_matrix("@_embedding", as_floats("embedding", source.embedding), vocabulary_, COrder::rows,
                        parts_.int8, parts_);
    }
    run_test(source);
  }

  const std::string& comment() const { return comment_; }
  std::string header() const;
  std::string code(const std::string& header_name) const;

 private:
  template <class S>
  void run_test(const StreamSource<S>& source);
  std::size_t inputs() const { return vocabulary_ > 0 ? 1 : layers_.front().inputs; }
  std::size_t outputs() const { return layers_.back().outputs; }
  std::size_t state_size() const {
    std::size_t size = 0;
    for (const CLayer& layer : layers_)
      for (const CState& state : layer.states) size += state.initial.size();
    return size;
  }
  // The largest layer's arrays, and those between the layers.
  std::size_t stack_bytes() const {
    std::size_t between = vocabulary_ > 0 ? layers_.front().inputs : 0, largest = 0;
    for (const CLayer& layer : layers_) {
      between += layer.outputs;
      largest = std::max(largest, layer.scratch);
    }
    return 4 * (between + largest);
  }
  // "void @_step(@_state *s, ...)"; block: of n steps.
  std::string signature(bool block) const {
    const char* input = vocabulary_ == 0 ? "const float *x" : block ? "const int32_t *ids" : "int32_t id";
    return fmt::format("{} @_{}(@_state *s, {}{}, float *y)", vocabulary_ > 0 ? "int" : "void",
                       block ? "block" : "step", block ? "size_t n, " : "", input);
  }
  std::string reset_function(CParts& parts) const;
  std::string step_function() const;
  std::string block_function() const;
  std::string selftest_function(CParts& parts) const;

  std::string comment_;
  CParts parts_ = {};
  std::vector<CLayer> layers_ = {};
  std::size_t vocabulary_ = 0;  // 0: x are numbers
  std::string table_ = {};
  std::vector<float> test_x_ = {}, test_y_ = {};
};

template <class S>
void CFile::run_test(const StreamSource<S>& source) {
  const auto stream = build_stream(source);
  for (std::size_t n = 0; n < kTestSteps * inputs(); ++n)
    test_x_.push_back(vocabulary_ > 0 ? static_cast<float>((n * 5 + n / 3) % vocabulary_)
                                      : static_cast<float>((n * 37 + 11) % 64) / 32.0F - 1.0F);
  const auto add = [&](S y) {
    const auto value = static_cast<float>(y);
    test_y_.push_back(std::isfinite(value) ? value : std::numeric_limits<float>::infinity());
  };
  for (std::size_t t = 0; t < kTestSteps; ++t) {
    const std::vector<S> x(test_x_.begin() + static_cast<std::ptrdiff_t>(t * inputs()),
                           test_x_.begin() + static_cast<std::ptrdiff_t>((t + 1) * inputs()));
    const auto id = static_cast<std::int64_t>(x[0]);
    const S* const y = stream->step(vocabulary_ > 0 ? stream->embed(&id) : x.data());
    const auto* const last = stream->programs.empty() ? nullptr : stream->programs.back().get();
    if (last == nullptr || last->outputs.empty()) {
      std::for_each_n(y, outputs(), add);
    } else {
      for (const StreamOutput<S>& output : last->outputs)
        std::for_each(output.y.begin(), output.y.end(), add);
    }
  }
}

std::string CFile::header() const {
  std::string text = fmt::format(
      R"(/* A recurrent model, one step at a time: {} bytes of {} weights, about {} bytes of stack. Written by Unroll.
   A model has no memory but its state, which @_reset sets to the beginning of a sequence. y is no part of x.{}
*/
#ifndef @_H
#define @_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define @@_INPUTS {}
#define @@_OUTPUTS {}
)",
      parts_.weight_bytes, parts_.int8 ? "int8" : "float", stack_bytes(),
      vocabulary_ > 0 ? "\n   An id outside 0 .. @@_VOCABULARY - 1 changes nothing; 0 is "
                        "returned then, else 1."
                      : "",
      inputs(), outputs());
  if (vocabulary_ > 0) text += fmt::format("#define @@_VOCABULARY {}\n", vocabulary_);
  text +=
      fmt::format("\ntypedef struct @_state {{ /* {} bytes */\n", 4 * std::max<std::size_t>(state_size(), 1));
  for (const CLayer& layer : layers_)
    for (const CState& state : layer.states)
      text += fmt::format("  float {}[{}];\n", state.name, state.initial.size());
  if (state_size() == 0) text += "  float unused;\n";
  text += fmt::format(R"(}} @_state;

void @_reset(@_state *s);
/* One step: {} -> y[{}]{}. */
{};
/* n steps. */
{};
/* Returns 0 if {} steps give what they gave where this file was written, within 1e-4. */
int @_selftest(void);

#ifdef __cplusplus
}}
#endif

#endif
)",
                      vocabulary_ > 0 ? "id" : fmt::format("x[{}]", inputs()), outputs(),
                      layers_.back().output_names.empty() ? "" : ": " + layers_.back().output_names,
                      signature(false), signature(true), kTestSteps);
  return text;
}

std::string CFile::code(const std::string& header_name) const {
  CParts others = parts_;  // their bytes are no weights
  // GCC: else comparisons keep loops from being vectorised, copies become calls of memcpy, and ISO C
  // multiplies and adds in two steps.
  std::string text = fmt::format(R"(#include "{}"

#ifdef __FAST_MATH__
#error "@.c: not with -ffast-math, which changes what exp and others compute"
#endif
#ifdef __cplusplus
#define @@_RESTRICT __restrict
#else
#define @@_RESTRICT restrict
#endif
#ifdef __GNUC__
#define @@_ALIGNED __attribute__((aligned(64)))
#else
#define @@_ALIGNED
#endif
/* With -D@@_CLONES, GCC compiles for three kinds of x86-64 processors; the program chooses when it starts. */
#if defined(@@_CLONES) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define @@_CLONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define @@_CLONED
#endif
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memset"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC optimize("no-trapping-math", "no-tree-loop-distribute-patterns", "fp-contract=fast")
#endif
)",
                                 header_name);
  text += c_functions(parts_.functions);
  for (const CLayer& layer : layers_)
    text += fmt::format("\n/* Layer {}: {} -> {}. */\n{}{}", &layer - layers_.data(), layer.inputs,
                        layer.outputs, layer.constants, layer.function);
  text += "\n" + table_ + reset_function(others) + "\n" + step_function() + "\n" + block_function() + "\n" +
          selftest_function(others);
  return text + "\n#if defined(__clang__)\n#pragma clang attribute pop\n#endif\n";
}

std::string CFile::reset_function(CParts& parts) const {
  std::string constants, body;
  for (const CLayer& layer : layers_) {
    for (const auto& [name, initial] : layer.states) {
      const bool zero = std::all_of(initial.begin(), initial.end(), [](float v) { return v == 0.0F; });
      if (!zero) constants += c_array("@_initial_" + name, initial, parts);
      body += fmt::format("  for (i = 0; i < {}; ++i) s->{}[i] = {};\n", initial.size(), name,
                          zero ? "0.0f" : "@_initial_" + name + "[i]");
    }
  }
  return constants + "void @_reset(@_state *s) {\n" +
         (body.empty() ? "  s->unused = 0.0f;\n" : "  int i;\n" + body) + "}\n";
}

// Each layer's output is the next one's input.
std::string CFile::step_function() const {
  const std::size_t width = layers_.front().inputs;
  std::string declarations, body, from = "x";
  if (has_scales(width, parts_.int8) && vocabulary_ > 0) {
    declarations += fmt::format("  float x[{}];\n  int i;\n", width);
    body += fmt::format(
        "  for (i = 0; i < {0}; ++i)\n    x[i] = @_embedding_scale[id] * "
        "(float)@_embedding[(size_t)id * {0} + (size_t)i];\n",
        width);
  } else if (vocabulary_ > 0) {
    from = fmt::format("@_embedding + (size_t)id * {}", width);
  }
  bool uses_state = false;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const bool last = l + 1 == layers_.size(), state = layers_[l].uses_state;
    const std::string to = last ? "y" : fmt::format("y{}", l);
    if (!last) declarations += fmt::format("  float {}[{}];\n", to, layers_[l].outputs);
    body += fmt::format("  @_l{}({}{}, {});\n", l, state ? "s, " : "", from, to);
    uses_state = uses_state || state;
    from = to;
  }
  if (!uses_state) body += "  (void)s;\n";
  if (vocabulary_ > 0)
    body = fmt::format("  if (id < 0 || id >= {}) return 0;\n{}  return 1;\n", vocabulary_, body);
  return signature(false) + " {\n" + declarations + body + "}\n";
}

std::string CFile::block_function() const {
  if (vocabulary_ == 0)
    return fmt::format(
        "{} {{\n  size_t t;\n  for (t = 0; t < n; ++t) @_step(s, x + t * {}, y + t * {});\n}}\n",
        signature(true), inputs(), outputs());
  return fmt::format(R"({} {{
  size_t t;
  for (t = 0; t < n; ++t)
    if (ids[t] < 0 || ids[t] >= {}) return 0;
  for (t = 0; t < n; ++t) (void)@_step(s, ids[t], y + t * {});
  return 1;
}}
)",
                     signature(true), vocabulary_, outputs());
}

std::string CFile::selftest_function(CParts& parts) const {
  std::string x = "static const int32_t @_test_x[] = {";
  for (std::size_t i = 0; i < test_x_.size(); ++i) x += fmt::format("{}{}", i > 0 ? ", " : "", test_x_[i]);
  x = vocabulary_ > 0 ? x + "};\n" : c_array("@_test_x", test_x_, parts);
  return x + c_array("@_test_y", test_y_, parts) +
         fmt::format(R"(int @_selftest(void) {{
  @_state s;
  float y[{0}];
  int t, i;
  @_reset(&s);
  for (t = 0; t < {1}; ++t) {{
    {2};
    for (i = 0; i < {0}; ++i) {{
      const float expected = @_test_y[t * {0} + i], error = y[i] - expected;
      if (expected > 3.4e38f) continue; /* no number */
      const float limit = 1e-4f * (1.0f + (expected < 0.0f ? -expected : expected));
      if (!(error <= limit && error >= -limit)) return 1;
    }}
  }}
  return 0;
}}
)",
                     outputs(), kTestSteps,
                     vocabulary_ > 0 ? "if (!@_step(&s, @_test_x[t], y)) return 1"
                                     : fmt::format("@_step(&s, @_test_x + t * {}, y)", inputs()));
}

std::string c_file_name(const std::string& file, const COptions& options) {
  const std::filesystem::path path(file);
  if (path.extension() != ".c")
    throw ArgumentError(
        fmt::format("[export_c] file: expected a name that ends with .c, got '{}'", escaped(file)));
  const std::string stem = path.stem().string();
  if (stem.find_first_of("\"\\@?\n") != std::string::npos)
    throw ArgumentError(fmt::format(
        "[export_c] file: expected a name without quotes, '\\', '@', '?' and line breaks, got '{}'",
        escaped(file)));
  const std::string name = options.name.empty() ? stem : options.name;
  const bool is_name = is_letter(name[0]) && std::all_of(name.begin(), name.end(), [](char c) {
                         return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
                       });
  if (!is_name)
    throw ArgumentError(
        fmt::format("[export_c] name: expected letters, digits and '_', a letter first, got '{}' (choose "
                    "another file name, or set COptions::name)",
                    escaped(name)));
  return name;
}

}  // namespace

template <class S>
void write_c(const StreamSource<S>& source, const std::string& file, const COptions& options) {
  const std::string name = c_file_name(file, options);
  const CFile text(options.int8 ? quantized(source) : source, options);
  const std::filesystem::path header = std::filesystem::path(file).replace_extension(".h");
  const std::string declarations = text.comment() + with_name(text.header(), name);
  const std::string code = with_name(text.code(header.filename().string()), name);
  AtomicFile c(file, "export_c"), h(header.string(), "export_c");  // neither without the other
  c.write(code.data(), code.size());
  h.write(declarations.data(), declarations.size());
  c.commit();
  h.commit();
}

template void write_c(const StreamSource<float>&, const std::string&, const COptions&);
template void write_c(const StreamSource<double>&, const std::string&, const COptions&);

}  // namespace detail

void require_c_names(const std::string& file, const COptions& options) {
  (void)detail::c_file_name(file, options);
}

}  // namespace unroll
