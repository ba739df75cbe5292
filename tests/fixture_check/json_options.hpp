// The options of one object of a file: typed, optional or required, and none of them unknown.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <type_traits>

#include "fixture.hpp"

namespace unroll::oracle {

// Whoever asks for an option marks it as known; finish() then finds those that nobody has asked for.
class JsonOptions {
 public:
  // where names the object in error messages ("config.hyper") and must be an object.
  JsonOptions(const nlohmann::json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw FixtureError(fmt::format("{}: expected an object", where_));
  }

  const std::string& where() const noexcept { return where_; }

  // Null is as if it were not there.
  bool has(const char* key) {
    known_.insert(key);
    return object_.contains(key) && !object_.at(key).is_null();
  }
  const nlohmann::json& at(const char* key) {
    if (!has(key)) throw FixtureError(fmt::format("{}.{} is missing", where_, key));
    return object_.at(key);
  }
  template <class T>
  T get(const char* key) {
    T value{};
    at(key);
    read(key, value);
    return value;
  }
  // Leaves the value as it is when the file has none.
  template <class T>
  void read(const char* key, T& value) {
    if (!has(key)) return;
    const nlohmann::json& found = object_.at(key);
    if constexpr (std::is_same_v<T, bool>) {
      want(key, found.is_boolean(), "true or false");
    } else if constexpr (std::is_integral_v<T>) {
      want(key, is_integer_of<T>(found), std::is_signed_v<T> ? "an integer" : "an integer >= 0");
    } else if constexpr (std::is_floating_point_v<T>) {
      want(key, found.is_number(), "a number");
    } else if constexpr (std::is_same_v<T, std::string>) {
      want(key, found.is_string(), "a string");
    }
    value = found.get<T>();
  }
  // True for the first word, false for the second.
  bool choice(const char* key, const char* first, const char* second, bool otherwise) {
    std::string text = otherwise ? first : second;
    read(key, text);
    want(key, text == first || text == second, fmt::format("{} or {}", first, second));
    return text == first;
  }
  void want(const char* key, bool good, const std::string& what) const {
    if (good) return;
    throw FixtureError(
        fmt::format("{}.{}: expected {}, got {}", where_, key, what, object_.at(key).dump().substr(0, 40)));
  }
  // Options that do not change the numbers: how PyTorch computes or prints.
  void ignore(const char* key) { known_.insert(key); }
  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (known_.count(key) == 0) throw FixtureError(fmt::format("{}.{} is not known", where_, key));
    }
  }

 private:
  const nlohmann::json& object_;
  std::string where_;
  std::set<std::string> known_;
};

}  // namespace unroll::oracle
