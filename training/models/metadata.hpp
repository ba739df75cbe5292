// Metadata: what a model's file holds besides the weights: sizes, vocabulary, scales.
#pragma once

#include <concepts>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "framework/errors.hpp"
#include "framework/tensor.hpp"

namespace unroll {

// Texts by key. Numbers are decimal and lists are JSON, so that any language can read them.
class Metadata {
 public:
  Metadata() = default;
  Metadata(std::initializer_list<std::pair<const std::string, std::string>> texts) : texts_(texts) {}
  // file is what error messages name.
  explicit Metadata(std::map<std::string, std::string> texts, std::string file = "")
      : texts_(std::move(texts)), file_(std::move(file)) {}

  // Sets or replaces a value. Throws ArgumentError for a number that is not finite and for texts in a list
  // that are not UTF-8.
  void set(const std::string& key, std::string text) { texts_[key] = std::move(text); }
  void set(const std::string& key, const char* text) { texts_[key] = text; }
  void set(const std::string& key, std::integral auto number) {
    if constexpr (std::is_same_v<decltype(number), bool>) {
      texts_[key] = number ? "true" : "false";
    } else {
      texts_[key] = std::to_string(number);
    }
  }
  void set(const std::string& key, std::floating_point auto number) {
    set_real(key, static_cast<double>(number));
  }
  void set(const std::string& key, const std::vector<std::string>& list);
  void set(const std::string& key, const std::vector<double>& list);
  void set(const std::string& key, const std::vector<Index>& list);

  bool contains(const std::string& key) const { return texts_.contains(key); }
  // Throw FileError naming file and key if the key is missing or its text is of another kind.
  const std::string& text(const std::string& key) const&;
  std::string text(const std::string& key) && { return std::as_const(*this).text(key); }
  bool flag(const std::string& key) const;
  // An integer, optionally from low to high.
  Index number(const std::string& key) const;
  Index number(const std::string& key, Index low, Index high) const;
  // A finite number.
  double real(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  // Finite numbers; integers.
  std::vector<double> reals(const std::string& key) const;
  std::vector<Index> numbers(const std::string& key) const;
  // T::from_json of the text, for Vocabulary, Labels, Standardizer<S>, TableEncoder<S> or any type whose
  // from_json throws an Error. The JSON is nested at most 32 deep.
  template <class T>
  T parsed(const std::string& key) const {
    const std::string& json = shallow(key);
    try {
      return T::from_json(json);
    } catch (const Error& error) {
      fail_parsing(key, error.what());
    }
  }
  // Throws FileError unless the text of key is this one.
  void require(const std::string& key, const std::string& text) const;

  const std::map<std::string, std::string>& all() const& noexcept { return texts_; }
  std::map<std::string, std::string> all() && { return std::move(texts_); }
  // Throws FileError "[metadata] file: 'key': expected .., got ..", for your own checks.
  [[noreturn]] void fail(const std::string& key, const std::string& want, const std::string& got) const;

 private:
  void set_real(const std::string& key, double number);
  // The text of key, if from_json may look at it.
  const std::string& shallow(const std::string& key) const;
  [[noreturn]] void fail_parsing(const std::string& key, const std::string& what) const;

  std::map<std::string, std::string> texts_;
  std::string file_;
};

}  // namespace unroll
