// JsonEvents: the contents of a JSON text, one event at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace unroll::detail {

// Receives the contents of a text while it is parsed; no tree is built. A derived class says what it accepts.
class JsonEvents {
 public:
  // A value that is neither a list nor an object.
  struct Value {
    enum Kind { null, boolean, integer, natural, real, text } kind;
    std::uint64_t number = 0;             // natural, >= 0; boolean, 0 or 1
    std::int64_t negative = 0;            // integer, < 0
    double fraction = 0.0;                // real
    std::string* string = nullptr;        // string, may be moved from
    const std::string* digits = nullptr;  // real, as written in the text

    // For messages: the value, shortened and escaped; its kind, for example "a string".
    std::string shown() const;
    const char* kind_name() const noexcept;
  };

  JsonEvents() = default;
  JsonEvents(const JsonEvents&) = delete;
  JsonEvents& operator=(const JsonEvents&) = delete;
  virtual ~JsonEvents() = default;

  // Returns true if the text is valid JSON and every event was accepted.
  bool parse(std::string_view text);

  // Return whether to continue.
  virtual bool value(const Value& value) = 0;
  virtual bool begin(bool list) = 0;
  virtual bool end() = 0;
  virtual bool name(std::string& name) = 0;
  virtual bool broken(const std::string& what) = 0;
};

}  // namespace unroll::detail
