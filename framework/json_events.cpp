#include "framework/json_events.hpp"

#include <nlohmann/json.hpp>

#include "framework/quoted.hpp"

namespace unroll::detail {
namespace {

using Json = nlohmann::json;

class Adapter final : public nlohmann::json_sax<Json> {
 public:
  explicit Adapter(JsonEvents& to) : to_(to) {}

  bool null() override { return to_.value({.kind = Value::null}); }
  bool boolean(bool v) override { return to_.value({.kind = Value::boolean, .number = v ? 1U : 0U}); }
  bool number_integer(std::int64_t v) override { return to_.value({.kind = Value::integer, .negative = v}); }
  bool number_unsigned(std::uint64_t v) override { return to_.value({.kind = Value::natural, .number = v}); }
  bool number_float(double v, const std::string& digits) override {
    return to_.value({.kind = Value::real, .fraction = v, .digits = &digits});
  }
  bool string(std::string& v) override { return to_.value({.kind = Value::text, .string = &v}); }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return to_.begin(false); }
  bool key(std::string& v) override { return to_.name(v); }
  bool end_object() override { return to_.end(); }
  bool start_array(std::size_t) override { return to_.begin(true); }
  bool end_array() override { return to_.end(); }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    return to_.broken(escaped(error.what(), 200));
  }

 private:
  using Value = JsonEvents::Value;

  JsonEvents& to_;
};

}  // namespace

bool JsonEvents::parse(std::string_view text) {
  Adapter adapter(*this);
  return Json::sax_parse(text, &adapter);
}

std::string JsonEvents::Value::shown() const {
  switch (kind) {
    case null:
      return "null";
    case boolean:
      return number != 0 ? "true" : "false";
    case integer:
      return std::to_string(negative);
    case natural:
      return std::to_string(number);
    case real:
      return escaped(*digits, 60);
    case text:
      break;
  }
  return quoted(*string);
}

const char* JsonEvents::Value::kind_name() const noexcept {
  switch (kind) {
    case null:
      return "null";
    case boolean:
      return "a boolean";
    case text:
      return "a string";
    default:
      return "a number";
  }
}

}  // namespace unroll::detail
