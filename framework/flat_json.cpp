#include "framework/flat_json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "framework/json_events.hpp"
#include "framework/quoted.hpp"

namespace unroll::detail {
namespace {

using JsonValue = JsonEvents::Value;

// Collects the elements of one list, as long as take() accepts them.
template <class T>
class ListReader final : public JsonEvents {
 public:
  using Take = bool (*)(const JsonValue&, std::vector<T>&);
  explicit ListReader(Take take) : take_(take) {}

  std::optional<std::vector<T>> read(std::string_view json) {
    if (!parse(json)) return std::nullopt;
    return std::move(list_);
  }

 private:
  bool value(const JsonValue& value) override { return inside_ && take_(value, list_); }
  bool begin(bool list) override { return list && !std::exchange(inside_, true); }
  bool end() override { return true; }
  bool name(std::string&) override { return false; }
  bool broken(const std::string&) override { return false; }

  Take take_;
  bool inside_ = false;
  std::vector<T> list_;
};

class TextsReader final : public JsonEvents {
 public:
  explicit TextsReader(const std::function<void(const std::string&)>& fail) : fail_(fail) {}

  std::map<std::string, std::string> read(std::string_view json) {
    parse(json);
    return std::move(texts_);
  }

 private:
  bool value(const JsonValue& value) override {
    if (!inside_) return wanted(value.kind_name());
    if (value.kind != JsonValue::text) return wanted_text(value.kind_name());
    if (!texts_.emplace(name_, std::move(*value.string)).second) {
      fail_(fmt::format("expected distinct names, got {} twice", quoted(name_)));
      return false;
    }
    return true;
  }
  bool begin(bool list) override {
    if (inside_) return wanted_text(list ? "a list" : "an object");
    if (list) return wanted("a list");
    return inside_ = true;
  }
  bool end() override { return true; }
  bool name(std::string& name) override {
    name_ = std::move(name);
    return true;
  }
  bool broken(const std::string& what) override { return wanted(what); }

  bool wanted(const std::string& got) const {
    fail_("expected a JSON object, got: " + got);
    return false;
  }
  bool wanted_text(const char* got) const {
    fail_(fmt::format("{}: expected a string, got {}", quoted(name_), got));
    return false;
  }

  const std::function<void(const std::string&)>& fail_;
  bool inside_ = false;
  std::string name_;
  std::map<std::string, std::string> texts_;
};

}  // namespace

std::map<std::string, std::string> parse_texts(std::string_view json,
                                               const std::function<void(const std::string&)>& fail) {
  return TextsReader(fail).read(json);
}

std::optional<std::vector<std::string>> parse_text_list(std::string_view json) {
  return ListReader<std::string>([](const JsonValue& v, std::vector<std::string>& list) {
           if (v.kind == JsonValue::text) list.push_back(std::move(*v.string));
           return v.kind == JsonValue::text;
         })
      .read(json);
}

std::optional<std::vector<double>> parse_real_list(std::string_view json) {
  return ListReader<double>([](const JsonValue& v, std::vector<double>& list) {
           if (v.kind == JsonValue::natural) list.push_back(static_cast<double>(v.number));
           if (v.kind == JsonValue::integer) list.push_back(static_cast<double>(v.negative));
           if (v.kind == JsonValue::real) list.push_back(v.fraction);
           return v.kind == JsonValue::natural || v.kind == JsonValue::integer ||
                  (v.kind == JsonValue::real && std::isfinite(v.fraction));
         })
      .read(json);
}

std::optional<std::vector<std::int64_t>> parse_integer_list(std::string_view json) {
  return ListReader<std::int64_t>([](const JsonValue& v, std::vector<std::int64_t>& list) {
           constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
           const bool natural = v.kind == JsonValue::natural && v.number <= kMost;
           if (natural || v.kind == JsonValue::integer) {
             list.push_back(natural ? static_cast<std::int64_t>(v.number) : v.negative);
           }
           return natural || v.kind == JsonValue::integer;
         })
      .read(json);
}

bool nested_deeper(std::string_view json, std::size_t depth) noexcept {
  std::size_t open = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++open > depth) return true;
    } else if ((c == ']' || c == '}') && open > 0) {
      --open;
    }
  }
  return false;
}

}  // namespace unroll::detail
