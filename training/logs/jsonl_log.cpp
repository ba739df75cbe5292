#include "training/logs/jsonl_log.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"
#include "training/logs/scalar_names.hpp"

namespace unroll {
namespace {

using Json = nlohmann::ordered_json;

double now() {
  using namespace std::chrono;
  const auto since = time_point_cast<microseconds>(system_clock::now()).time_since_epoch();
  return static_cast<double>(since.count()) / 1e6;
}

Json number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

std::string line_of(const Json& object, const char* function) {
  try {
    return object.dump() + "\n";
  } catch (const Json::exception& error) {
    throw ArgumentError(
        fmt::format("[JsonLinesLog.{}] names and texts want UTF-8, got: {}", function, error.what()));
  }
}

}  // namespace

JsonLinesLog::JsonLinesLog(const std::string& path) : file_(path, "JsonLinesLog") {}

void JsonLinesLog::scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) {
  detail::check_scalar_names("JsonLinesLog", values, {"step", "epoch", "time", "name", "text"});
  Json object{{"step", step}, {"epoch", epoch}, {"time", now()}};
  for (const NamedScalar& value : values) object[value.name] = number(value.value);
  append(line_of(object, "scalars"));
}

void JsonLinesLog::text(std::int64_t step, std::string_view name, std::string_view text) {
  append(line_of({{"step", step}, {"time", now()}, {"name", name}, {"text", text}}, "text"));
}

void JsonLinesLog::append(const std::string& line) {
  if (started_) {
    file_.append(line);
  } else {
    file_.replace(line, true);
  }
  started_ = true;
}

void JsonLinesLog::flush() { file_.sync(); }

void JsonLinesLog::resume(std::int64_t step) {
  const std::string old = file_.read();
  std::string kept;
  std::size_t number = 0;
  for (const std::string_view line : detail::whole_lines(old)) {
    ++number;
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object() || !object.contains("step") || !object["step"].is_number_integer()) {
      file_.fail(number, "want an object with a step (another program's file?)");
    }
    if (object["step"].get<std::int64_t>() <= step) kept.append(line).append("\n");
  }
  if (kept != old) file_.replace(kept);
  started_ = true;
}

}  // namespace unroll
