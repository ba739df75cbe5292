#include "deploy/c_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/errors.hpp"

namespace unroll::detail {
namespace {

std::string in_lines(const std::vector<std::string>& items) {
  constexpr std::size_t kColumns = 100;
  std::string text, line = " ";
  for (const std::string& item : items) {
    if (line.size() + item.size() + 2 > kColumns) {
      text += line + "\n";
      line = " ";
    }
    line += " " + item + ",";
  }
  return text + line + "\n";
}

std::string array(const char* type, const std::string& name, const std::vector<std::string>& items) {
  return fmt::format("static const {} {}[{}] @@_ALIGNED = {{\n{}}};\n", type, name, items.size(),
                     in_lines(items));
}

template <class T>
std::vector<T> in_blocks(const std::vector<T>& w, std::size_t rows) {
  const std::size_t columns = w.size() / rows, blocks = rows / kBlockRows * kBlockRows;
  std::vector<T> result;
  result.reserve(w.size());
  for (std::size_t row = 0; row < blocks; row += kBlockRows) {
    for (std::size_t p = 0; p < columns; ++p)
      for (std::size_t j = 0; j < kBlockRows; ++j) result.push_back(w[(row + j) * columns + p]);
  }
  result.insert(result.end(), w.begin() + static_cast<std::ptrdiff_t>(blocks * columns), w.end());
  return result;
}

// A name of the file as a message has it: "@_l0_bias" without the file's name.
std::string shown(const std::string& name) { return name.substr(name.find('_') + 1); }

}  // namespace

void throw_too_large(const std::string& name, double value) {
  throw ArgumentError(fmt::format(
      "[export_c] {}: expected finite floats, got {:g}, which is too large for one", shown(name), value));
}

namespace {

void require_finite(const std::string& name, const std::vector<float>& values) {
  for (const float value : values) {
    if (!std::isfinite(value))
      throw ArgumentError(fmt::format("[export_c] {}: expected finite floats, got {}", shown(name), value));
  }
}

// One scale per row: its largest element is 127.
std::vector<float> row_scales(const std::vector<float>& values, std::size_t rows) {
  const std::size_t columns = values.size() / rows;
  std::vector<float> result;
  for (std::size_t row = 0; row < rows; ++row) {
    float largest = 0.0F;
    for (std::size_t p = 0; p < columns; ++p)
      largest = std::max(largest, std::abs(values[row * columns + p]));
    result.push_back(largest > 0.0F ? largest / 127.0F : 1.0F);
  }
  return result;
}

// A tiny scale is subnormal, and the quotient by it may be larger than 127.
int rounded(float value, float scale) {
  return static_cast<int>(std::lround(std::clamp(value / scale, -127.0F, 127.0F)));
}

}  // namespace

std::string c_number(float value) {
  if (std::isinf(value)) return value > 0.0F ? "(1.0f / 0.0f)" : "(-1.0f / 0.0f)";
  std::string text = fmt::format("{:.9g}", value);  // enough digits for every float
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text + "f";
}

std::string c_name(const std::string& text) {
  std::string result = text;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  std::replace_if(
      result.begin(), result.end(), [&](char c) { return !fits(c); }, '_');
  return result;
}

std::string c_array(const std::string& name, const std::vector<float>& values, CParts& parts) {
  if (std::any_of(values.begin(), values.end(), [](float v) { return std::isnan(v); }))
    throw ArgumentError(fmt::format("[export_c] {}: expected numbers, got nan", shown(name)));
  parts.weight_bytes += 4 * values.size();
  std::vector<std::string> items;
  items.reserve(values.size());
  for (const float value : values) items.push_back(c_number(value));
  return array("float", name, items);
}

bool has_scales(std::size_t columns, bool as_bytes) { return as_bytes && columns > 1; }

std::string c_matrix(const std::string& name, const std::vector<float>& values, std::size_t rows,
                     COrder order, bool as_bytes, CParts& parts) {
  require_finite(name, values);
  const std::size_t columns = values.size() / rows;
  const auto ordered = [&](const auto& v) { return order == COrder::blocks ? in_blocks(v, rows) : v; };
  if (!has_scales(columns, as_bytes)) return c_array(name, ordered(values), parts);
  const std::vector<float> scales = row_scales(values, rows);
  std::vector<std::string> items;
  items.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    items.push_back(fmt::format("{}", rounded(values[i], scales[i / columns])));
  parts.weight_bytes += values.size();
  return array("int8_t", name, ordered(items)) + c_array(name + "_scale", scales, parts);
}

std::vector<float> through_int8(std::vector<float> values, std::size_t rows) {
  const std::size_t columns = values.size() / rows;
  if (!has_scales(columns, true)) return values;
  const std::vector<float> scales = row_scales(values, rows);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float scale = scales[i / columns];
    if (std::isfinite(values[i])) values[i] = static_cast<float>(rounded(values[i], scale)) * scale;
  }
  return values;
}

std::string c_multiply(std::size_t n, std::size_t k, const std::string& w, const std::string& x,
                       const std::string& y, bool as_bytes, CParts& parts) {
  const bool scaled = has_scales(k, as_bytes);
  parts.functions.insert(scaled ? "multiply_int8" : "multiply");
  return fmt::format("@_multiply{}({}, {}, {}, {}{}, {})", scaled ? "_int8" : "", n, k, w,
                     scaled ? w + "_scale, " : "", x, y);
}

}  // namespace unroll::detail
