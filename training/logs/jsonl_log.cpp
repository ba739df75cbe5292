#include "training/logs/jsonl_log.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"

namespace unroll {
namespace {

using OrderedJson = nlohmann::ordered_json;  // in the order in which it was written

double now() {
  using namespace std::chrono;
  const auto since = time_point_cast<microseconds>(system_clock::now()).time_since_epoch();
  return static_cast<double>(since.count()) / 1e6;
}

OrderedJson number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

std::string line_of(const OrderedJson& object, const char* function) {
  try {
    return object.dump() + "\n";
  } catch (const nlohmann::json::exception& error) {
    throw ArgumentError(
        fmt::format("[JsonLinesLog.{}] names and texts: expected UTF-8, got: {}", function, error.what()));
  }
}

std::int64_t step_of(const detail::LogFile& file, std::size_t number, std::string_view line) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  const auto step = object.find("step");  // the end for what is no object
  if (step == object.end() || !step->is_number_integer()) {
    file.fail(number, "expected an object with a step (another program's file?)");
  }
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (step->is_number_unsigned() && step->get<std::uint64_t>() > kMost) {
    file.fail(number,
              fmt::format("step: expected a whole number below 2^63, got {}", step->get<std::uint64_t>()));
  }
  return step->get<std::int64_t>();
}

}  // namespace

JsonLinesLog::JsonLinesLog(const std::string& path) : file_(path, "JsonLinesLog") {}

void JsonLinesLog::scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) {
  detail::check_scalar_names("JsonLinesLog", values, {"step", "epoch", "time", "name", "text"});
  OrderedJson object{{"step", step}, {"epoch", epoch}, {"time", now()}};
  // The names differ, and looking for each among those before it would be quadratic.
  OrderedJson::object_t::Container& members = object.get_ref<OrderedJson::object_t&>();
  for (const auto& [name, value] : values) members.emplace_back(name, number(value));
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
    if (step_of(file_, number, line) <= step) kept.append(line).append("\n");
  }
  if (kept != old) file_.replace(kept);
  started_ = true;
}

}  // namespace unroll
