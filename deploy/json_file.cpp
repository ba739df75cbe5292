#include "deploy/json_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <span>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/flat_json.hpp"
#include "framework/input_file.hpp"
#include "framework/quoted.hpp"

namespace unroll::detail {
namespace {

constexpr std::size_t kLongest = std::size_t{1} << 24;  // bytes; a tree of it takes up to half a GB
constexpr std::size_t kDeepest = 8;
constexpr std::size_t kMostFaults = 8;

bool in_float(double value) { return std::abs(value) <= std::numeric_limits<float>::max(); }

std::string read_whole(const InputFile& file) {
  if (file.size() > kLongest)
    file.fail(fmt::format("expected a JSON file of at most {} bytes, got {}", kLongest, file.size()));
  if (const std::string kind = file.kind(); !kind.empty()) file.fail("expected a JSON file, got " + kind);
  std::string text(file.size(), '\0');
  file.read(0, text.data(), text.size());
  return text;
}

}  // namespace

JsonFile::JsonFile(const std::string& path, const char* function) : path_(path), function_(function) {
  const std::string text = read_whole(InputFile(path, function));
  if (nested_deeper(text, kDeepest))
    fail(fmt::format("expected lists and objects at most {} deep, got more", kDeepest));
  try {
    root_ = Json::parse(text);
  } catch (const Json::exception& error) {
    const auto* parse = dynamic_cast<const Json::parse_error*>(&error);
    fail(fmt::format("expected JSON, got something else at byte {} of {}", parse == nullptr ? 0 : parse->byte,
                     text.size()));
  }
  if (!root_.is_object()) fail("expected a JSON object, got " + shown(root_));
}

std::string JsonFile::shown(const Json& value) {
  if (value.is_string()) return quoted(value.get_ref<const std::string&>());
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  return value.is_object() ? "an object" : value.dump();
}

void JsonFile::fail(const std::string& what) const {
  throw FileError(fmt::format("[{}] {}: {}", function_, escaped(path_), what));
}

void JsonFile::expected(const std::string& where, const std::string& want, const std::string& got) {
  faults_.push_back(fmt::format("{}: expected {}, got {}", where, want, got));
}

void JsonFile::check() const {
  if (faults_.empty()) return;
  const std::size_t more = faults_.size() > kMostFaults ? faults_.size() - kMostFaults : 0;
  fail(fmt::format("{}{}", fmt::join(std::span(faults_).first(faults_.size() - more), "; "),
                   more == 0 ? "" : fmt::format("; and {} more", more)));
}

const JsonFile::Json* JsonFile::member(const Json& object, const std::string& where, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (found != object.end()) return &*found;
  expected(where + name, "a value", "none");
  return nullptr;
}

std::size_t JsonFile::count(const Json& object, const std::string& where, const char* name,
                            std::size_t most) {
  const Json* value = member(object, where, name);
  if (value == nullptr) return 0;
  if (value->is_number_unsigned() && *value >= 1U && *value <= most) return value->get<std::size_t>();
  expected(where + name, fmt::format("a whole number from 1 to {}", most), shown(*value));
  return 0;
}

bool JsonFile::append_row(const Json& list, const std::string& where, std::size_t size,
                          std::vector<double>& to) {
  if (!list.is_array() || list.size() != size) {
    expected(where, fmt::format("a list of {} numbers", size), shown(list));
    return false;
  }
  for (const Json& value : list) {
    if (!value.is_number() || !in_float(value.get<double>())) {
      expected(where, "numbers that a float holds", shown(value));
      return false;
    }
    to.push_back(value.get<double>());
  }
  return true;
}

std::vector<double> JsonFile::numbers(const Json& list, const std::string& where, std::size_t size) {
  std::vector<double> values;
  append_row(list, where, size, values);
  return values;
}

std::vector<double> JsonFile::numbers(const Json& list, const std::string& where, std::size_t rows,
                                      std::size_t columns) {
  std::vector<double> values;
  if (!list.is_array() || list.size() != rows) {
    expected(where, fmt::format("a list of {} lists of {} numbers", rows, columns), shown(list));
    return values;
  }
  for (std::size_t r = 0; r < rows; ++r)
    if (!append_row(list[r], fmt::format("{}[{}]", where, r), columns, values)) break;
  return values;
}

void append_numbers(std::string& text, const char* function, const double* values, std::size_t count,
                    bool single) {
  for (std::size_t i = 0; i < count; ++i) {
    if (!in_float(values[i])) {
      throw ArgumentError(
          fmt::format("[{}] weights: expected numbers that a float holds, got {}", function, values[i]));
    }
    const auto rounded = static_cast<float>(values[i]);
    std::string number = single ? fmt::format("{}", rounded) : fmt::format("{}", values[i]);
    // Readers round to double first.
    if (single && static_cast<float>(std::strtod(number.c_str(), nullptr)) != rounded)
      number = fmt::format("{}", static_cast<double>(rounded));
    if (number == "-0") number = "-0.0";  // a whole number would lose its sign
    text += i == 0 ? "" : ",";
    text += number;
  }
}

void write_text(const std::string& path, const char* function, std::string_view text) {
  AtomicFile file(path, function);
  file.write(text.data(), text.size());
  file.commit();
}

}  // namespace unroll::detail
