// What a JSON text holds, one thing after the other. Internal: brings in nlohmann's json.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "framework/quoted.hpp"

namespace unroll::detail {

// A receiver for nlohmann::json::sax_parse in which every value arrives at one of two functions.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  // A value that is no list and no object: what it is, and for a message how it reads.
  struct Value {
    enum Kind { null, boolean, integer, natural, real, text } kind;
    std::uint64_t number = 0;   // natural: >= 0
    std::int64_t negative = 0;  // integer: < 0
    double fraction = 0.0;      // real
    std::string* string = nullptr;
    const std::string* digits = nullptr;  // of a real number, as they stand there

    std::string shown() const {
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
    const char* kind_name() const noexcept {
      return kind == null ? "null" : kind == boolean ? "a boolean" : kind == text ? "a string" : "a number";
    }
  };

  // Whether all of the text was taken.
  bool parse(std::string_view text) {
    return nlohmann::json::sax_parse(text, static_cast<nlohmann::json_sax<nlohmann::json>*>(this));
  }

 protected:
  // Each returns whether to go on.
  virtual bool value(const Value& value) = 0;
  virtual bool begin(bool list) = 0;
  virtual bool end() = 0;
  virtual bool name(std::string& name) = 0;
  virtual bool broken(const std::string& what) = 0;

 private:
  bool null() final { return value({.kind = Value::null}); }
  bool boolean(bool v) final { return value({.kind = Value::boolean, .number = v ? 1U : 0U}); }
  bool number_integer(std::int64_t v) final { return value({.kind = Value::integer, .negative = v}); }
  bool number_unsigned(std::uint64_t v) final { return value({.kind = Value::natural, .number = v}); }
  bool number_float(double v, const std::string& digits) final {
    return value({.kind = Value::real, .fraction = v, .digits = &digits});
  }
  bool string(std::string& v) final { return value({.kind = Value::text, .string = &v}); }
  bool binary(nlohmann::json::binary_t&) final { return false; }
  bool start_object(std::size_t) final { return begin(false); }
  bool key(std::string& v) final { return name(v); }
  bool end_object() final { return end(); }
  bool start_array(std::size_t) final { return begin(true); }
  bool end_array() final { return end(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) final {
    return broken(escaped(error.what(), 200));
  }
};

}  // namespace unroll::detail
