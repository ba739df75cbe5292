// A fixture file: named arrays and options, and a record of which of them have been used.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll::oracle {

// What is wrong with a file, in one line.
struct FixtureError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// An integer, also one written 2.0: some writers know only one kind of number.
inline bool is_integer(const nlohmann::json& value) {
  if (!value.is_number()) return false;
  constexpr double kExact = 9007199254740992.0;  // 2^53: every integer up to here is a double
  const double number = value.get<double>();
  return value.is_number_integer() || (number == std::trunc(number) && std::abs(number) <= kExact);
}
// Whether the number is in the range of T, which an integer is about to be read into.
template <class T>
bool is_integer_of(const nlohmann::json& value) {
  return is_integer(value) && (std::is_signed_v<T> || value.get<double>() >= 0.0);
}

// An array of the file. Integer arrays keep their numbers in `values` too (they are small).
struct Array {
  Shape shape;
  bool integer = false;
  std::vector<double> values;

  Tensor<double> tensor() const;
  // Throws FixtureError unless all of them are integers.
  IndexTensor indices() const;
};

// A file of schema rnn-oracle-fixture/1. Arrays are called "group/name", nested groups "group/case/name";
// options "config.key". Whoever asks for one marks it as used, so that in the end the unused ones can be
// named: a file with something in it that no code looks at is an error.
class Fixture {
 public:
  // Throws FixtureError for a file that cannot be read or is not of this schema.
  static Fixture load(const std::string& path);

  const std::string& name() const noexcept { return name_; }
  const std::string& system() const noexcept { return system_; }
  const std::string& loss() const noexcept { return loss_; }
  double atol() const noexcept { return atol_; }
  double rtol() const noexcept { return rtol_; }

  // --- options; key may be "case.key"
  // -----------------------------------------------------------------------
  // Null is as if it were not there.
  bool has_option(const std::string& key);
  const nlohmann::json& option(const std::string& key);
  template <class T>
  T get(const std::string& key);
  template <class T>
  T get_or(const std::string& key, T otherwise) {
    return has_option(key) ? get<T>(key) : otherwise;
  }
  // The names of the cases: options that are objects.
  std::vector<std::string> cases() const;

  // --- arrays
  // -----------------------------------------------------------------------------------------------
  bool has(const std::string& name) const { return arrays_.count(name) != 0; }
  // Throws FixtureError when there is none.
  const Array& array(const std::string& name);
  Tensor<double> tensor(const std::string& name) { return array(name).tensor(); }
  // The names in a group ("grads", "outputs/case"), without the group.
  std::vector<std::string> names(const std::string& group) const;

  const std::vector<std::string>& published() const noexcept { return published_; }
  // The seeds' bit patterns beside the arrays of the random generator: lists of hexadecimal words.
  std::vector<std::uint64_t> hex(const std::string& seed, const std::string& name) const;

  // Options, inputs, parameters and upstream gradients that nobody has asked for.
  std::vector<std::string> unused() const;
  // Expected arrays: outputs, gradients and what the seeds' own code gives.
  std::vector<std::string> expected() const;

 private:
  void read(const nlohmann::json& file);
  void flatten(const std::string& name, const nlohmann::json& group);
  const nlohmann::json* find_option(const std::string& key) const;
  [[noreturn]] void throw_option_type(const std::string& key, const char* want) const;

  std::string name_, system_, loss_;
  double atol_ = 0.0, rtol_ = 0.0;
  nlohmann::json config_, verification_;
  std::map<std::string, Array> arrays_;
  std::vector<std::string> published_;
  std::set<std::string> used_arrays_, used_options_;
};

template <class T>
T Fixture::get(const std::string& key) {
  const nlohmann::json& value = option(key);
  if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) throw_option_type(key, "true or false");
  } else if constexpr (std::is_integral_v<T>) {
    if (!is_integer_of<T>(value))
      throw_option_type(key, std::is_signed_v<T> ? "an integer" : "an integer >= 0");
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) throw_option_type(key, "a number");
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) throw_option_type(key, "a string");
  }
  return value.get<T>();
}

}  // namespace unroll::oracle
