// What a JSON text holds, one thing after the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace unroll::detail {

// Receives what a text holds as it is read: no tree is built. Derived classes say what they take.
class JsonEvents {
 public:
  // A value that is no list and no object.
  struct Value {
    enum Kind { null, boolean, integer, natural, real, text } kind;
    std::uint64_t number = 0;             // natural, >= 0; boolean, 0 or 1
    std::int64_t negative = 0;            // integer, < 0
    double fraction = 0.0;                // real
    std::string* string = nullptr;        // text, to be moved from
    const std::string* digits = nullptr;  // real, as it stands there

    // For messages: how it reads, cut and escaped; "a string".
    std::string shown() const;
    const char* kind_name() const noexcept;
  };

  JsonEvents() = default;
  JsonEvents(const JsonEvents&) = delete;
  JsonEvents& operator=(const JsonEvents&) = delete;
  virtual ~JsonEvents() = default;

  // Whether the text is JSON, of which all was taken.
  bool parse(std::string_view text);

  // Each returns whether to go on.
  virtual bool value(const Value& value) = 0;
  virtual bool begin(bool list) = 0;
  virtual bool end() = 0;
  virtual bool name(std::string& name) = 0;
  virtual bool broken(const std::string& what) = 0;
};

}  // namespace unroll::detail
