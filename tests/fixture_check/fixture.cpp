#include "fixture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <span>

namespace unroll::oracle {
namespace {

using nlohmann::json;

constexpr const char* kSchema = "rnn-oracle-fixture/1";
// Groups of arrays: those that a system is given, and those that it must reproduce.
constexpr std::string_view kGiven[] = {"inputs", "params", "cotangents"};
constexpr std::string_view kExpected[] = {"outputs", "grads", "grads_outputs_only", "literal"};
// Everything else that the schema knows; of these only what load() reads means anything to a program.
constexpr std::string_view kOther[] = {
    "schema", "name",   "set",      "system", "made_with",    "tolerance", "seed_files",    "note",
    "config", "layout", "formulae", "loss",   "verification", "published", "tolerance_note"};

bool contains(std::span<const std::string_view> list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool in_group(const std::string& name, std::string_view group) {
  return name.size() > group.size() && name.starts_with(group) && name[group.size()] == '/';
}

template <std::size_t N>
bool in_any_group(const std::string& name, const std::string_view (&groups)[N]) {
  return std::any_of(std::begin(groups), std::end(groups),
                     [&](std::string_view group) { return in_group(name, group); });
}

const json& member(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) throw FixtureError(fmt::format("\"{}\" is missing", key));
  return *found;
}

std::string text_of(const json& object, const char* key) {
  const json& value = member(object, key);
  if (!value.is_string())
    throw FixtureError(fmt::format("\"{}\": expected a string, got {}", key, value.type_name()));
  return value.get<std::string>();
}

double positive_number(const json& object, const char* key) {
  const json& value = member(object, key);
  if (!value.is_number() || !(value.get<double>() >= 0.0)) {
    throw FixtureError(fmt::format("tolerance.{}: expected a number >= 0", key));
  }
  return value.get<double>();
}

void read_numbers(const std::string& name, const json& data, std::size_t axis, Array& array) {
  if (axis == array.shape.size()) {
    if (!data.is_number() || (array.integer && !is_integer(data))) {
      throw FixtureError(fmt::format("{}: data: expected {}, got {}", name,
                                     array.integer ? "integers" : "numbers", data.dump().substr(0, 40)));
    }
    array.values.push_back(data.get<double>());
    return;
  }
  if (!data.is_array() || data.size() != array.shape[axis]) {
    throw FixtureError(
        fmt::format("{}: data do not have the shape {} (axis {})", name, to_string(array.shape), axis));
  }
  for (const json& part : data) read_numbers(name, part, axis + 1, array);
}

// All numbers in one list, row after row; a number of no axes in a list of one.
bool is_flat(const json& data, const Shape& shape) {
  return data.is_array() && data.size() == element_count(shape) &&
         std::none_of(data.begin(), data.end(), [](const json& part) { return part.is_array(); });
}

Array read_array(const std::string& name, const json& object) {
  for (const auto& [key, value] : object.items()) {
    if (key != "shape" && key != "dtype" && key != "data") {
      throw FixtureError(fmt::format("{}: \"{}\" is not known beside shape, dtype and data", name, key));
    }
  }
  Array array;
  const json& shape = member(object, "shape");
  if (!shape.is_array() || shape.size() > kMaxRank) {
    throw FixtureError(fmt::format("{}: shape: expected a list of at most {} sizes", name, kMaxRank));
  }
  for (const json& size : shape) {
    if (!is_integer_of<std::size_t>(size))
      throw FixtureError(fmt::format("{}: shape: expected sizes >= 0", name));
    array.shape.push_back(size.get<std::size_t>());
  }
  const std::string dtype = text_of(object, "dtype");
  if (dtype != "float64" && dtype != "int64") {
    throw FixtureError(fmt::format("{}: dtype: expected float64 or int64, got {}", name, dtype));
  }
  array.integer = dtype == "int64";
  const json& data = member(object, "data");
  if (is_flat(data, array.shape)) {
    for (const json& number : data) read_numbers(name, number, array.shape.size(), array);
  } else {
    read_numbers(name, data, 0, array);
  }
  return array;
}

}  // namespace

Tensor<double> Array::tensor() const { return from_values<double>(shape, values); }

IndexTensor Array::indices() const {
  if (!std::all_of(values.begin(), values.end(), [](double v) { return v == std::trunc(v); }))
    throw FixtureError("expected an array of int64, got float64");
  IndexTensor result(shape);
  std::transform(values.begin(), values.end(), result.data(),
                 [](double v) { return static_cast<std::int64_t>(v); });
  return result;
}

Fixture Fixture::load(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) throw FixtureError("cannot be opened");
  json file;
  try {
    file = json::parse(stream);
  } catch (const json::exception& e) {
    throw FixtureError(fmt::format("is not JSON: {}", e.what()));
  }
  Fixture fixture;
  fixture.read(file);
  return fixture;
}

void Fixture::read(const json& file) {
  if (!file.is_object()) throw FixtureError("expected a JSON object");
  if (const std::string schema = text_of(file, "schema"); schema != kSchema) {
    throw FixtureError(fmt::format("schema: expected {}, got {}", kSchema, schema));
  }
  name_ = text_of(file, "name");
  system_ = text_of(file, "system");
  if (file.contains("loss") && file["loss"].is_string()) loss_ = file["loss"].get<std::string>();
  const json& tolerance = member(file, "tolerance");
  atol_ = positive_number(tolerance, "atol");
  rtol_ = positive_number(tolerance, "rtol");
  config_ = member(file, "config");
  if (!config_.is_object()) throw FixtureError("config: expected an object");
  if (file.contains("verification")) verification_ = file["verification"];

  for (const auto& [key, value] : file.items()) {
    if (contains(kGiven, key) || contains(kExpected, key)) {
      flatten(key, value);
    } else if (!contains(kOther, key)) {
      throw FixtureError(fmt::format("\"{}\" is not a part of the schema", key));
    }
  }
  if (expected().empty()) throw FixtureError("nothing to compare: outputs, grads and literal are empty");
  if (file.contains("published") && !file["published"].is_null()) {
    const json& lines = member(file["published"], "printed");
    if (!lines.is_array()) throw FixtureError("published.printed: expected a list of lines");
    for (const json& line : lines) {
      if (!line.is_string()) throw FixtureError("published.printed: expected a list of lines");
      published_.push_back(line.get<std::string>());
    }
  }
}

void Fixture::flatten(const std::string& name, const json& group) {
  if (group.is_null()) return;  // as if it were not there; who needs it will say that it is missing
  if (!group.is_object()) throw FixtureError(fmt::format("{}: expected an array or a group of arrays", name));
  if (group.contains("data") || group.contains("shape")) {
    arrays_.emplace(name, read_array(name, group));
    return;
  }
  for (const auto& [key, value] : group.items()) flatten(name + "/" + key, value);
}

const json* Fixture::find_option(const std::string& key) const {
  // A key may itself contain a point, so every point is tried as the end of the first part.
  const auto find = [](const auto& self, const json& object, std::string_view rest) -> const json* {
    if (!object.is_object()) return nullptr;
    if (const auto whole = object.find(std::string(rest)); whole != object.end()) return &*whole;
    for (std::size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.', dot + 1)) {
      const auto part = object.find(std::string(rest.substr(0, dot)));
      if (part == object.end()) continue;
      if (const json* value = self(self, *part, rest.substr(dot + 1))) return value;
    }
    return nullptr;
  };
  return find(find, config_, key);
}

bool Fixture::has_option(const std::string& key) {
  const json* value = find_option(key);
  if (value == nullptr) return false;
  used_options_.insert(key);
  return !value->is_null();
}

const json& Fixture::option(const std::string& key) {
  const json* value = find_option(key);
  if (value == nullptr) throw FixtureError(fmt::format("config.{} is missing", key));
  used_options_.insert(key);
  return *value;
}

void Fixture::throw_option_type(const std::string& key, const char* want) const {
  throw FixtureError(
      fmt::format("config.{}: expected {}, got {}", key, want, find_option(key)->dump().substr(0, 40)));
}

std::vector<std::string> Fixture::cases() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : config_.items()) {
    if (value.is_object()) result.push_back(key);
  }
  return result;
}

const Array& Fixture::array(const std::string& name) {
  const auto found = arrays_.find(name);
  if (found == arrays_.end()) throw FixtureError(fmt::format("{} is missing", name));
  used_arrays_.insert(name);
  return found->second;
}

std::vector<std::string> Fixture::names(const std::string& group) const {
  std::vector<std::string> result;
  for (const auto& [name, array] : arrays_) {
    if (in_group(name, group)) result.push_back(name.substr(group.size() + 1));
  }
  return result;
}

std::vector<std::uint64_t> Fixture::hex(const std::string& seed, const std::string& name) const {
  std::vector<std::uint64_t> words;
  if (!verification_.contains(seed) || !verification_[seed].contains(name)) return words;
  for (const json& word : verification_[seed][name]) {
    if (!word.is_string())
      throw FixtureError(fmt::format("verification.{}.{}: expected hexadecimal words", seed, name));
    words.push_back(std::stoull(word.get<std::string>(), nullptr, 16));
  }
  return words;
}

std::vector<std::string> Fixture::unused() const {
  std::vector<std::string> result;
  for (const auto& [name, array] : arrays_) {
    if (in_any_group(name, kGiven) && used_arrays_.count(name) == 0) result.push_back(name);
  }
  // An option that is an object (one case, or one optimizer's) may be used by its members.
  const auto visit = [&](const auto& self, const std::string& prefix, const json& object) -> void {
    for (const auto& [key, value] : object.items()) {
      const std::string name = prefix + key;
      if (used_options_.count(name) != 0) continue;
      if (value.is_object()) {
        self(self, name + ".", value);
      } else {
        result.push_back("config." + name);
      }
    }
  };
  visit(visit, "", config_);
  return result;
}

std::vector<std::string> Fixture::expected() const {
  std::vector<std::string> result;
  for (const auto& [name, array] : arrays_) {
    if (in_any_group(name, kExpected)) result.push_back(name);
  }
  return result;
}

}  // namespace unroll::oracle
