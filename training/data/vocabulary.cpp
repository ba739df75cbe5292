#include "training/data/vocabulary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/data/json_text.hpp"
#include "training/data/text.hpp"
#include "training/moved_from.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

constexpr const char* kUnits[] = {"character", "word"};

const char* name(TextUnit unit) { return kUnits[static_cast<std::size_t>(unit)]; }

std::vector<std::string_view> cut(std::string_view text, TextUnit unit) {
  return unit == TextUnit::character ? characters(text) : words(text);
}

void check(const VocabularyOptions& options) {
  if (options.min_count < 1)
    throw ArgumentError(fmt::format("[Vocabulary] min_count: expected >= 1, got {}", options.min_count));
  const auto special = static_cast<Index>(options.special.size());
  if (options.max_size && *options.max_size <= special) {
    throw ArgumentError(fmt::format("[Vocabulary] max_size: expected more than the {} special tokens, got {}",
                                    special, *options.max_size));
  }
}

[[noreturn]] void fail_json(const std::string& want) {
  throw ArgumentError(fmt::format("[Vocabulary.from_json] json: expected {}", want));
}

}  // namespace

Vocabulary::Vocabulary(TextUnit unit, std::size_t special, std::vector<std::string> tokens)
    : unit_(unit), special_(special), tokens_(std::move(tokens)) {
  for (const std::string& token : tokens_) {
    const bool is_special = ids_.size() < special_;
    const auto parts = is_special ? std::vector<std::string_view>{} : cut(token, unit_);
    if (token.empty() || (!is_special && (parts.size() != 1 || parts.front() != token))) {
      throw ArgumentError(fmt::format("[Vocabulary] tokens: expected one {} each, got {}",
                                      is_special ? "text that is not empty" : name(unit_), quoted(token)));
    }
    characters(token);  // a special token is UTF-8, too
    if (!ids_.emplace(token, static_cast<std::int64_t>(ids_.size())).second)
      throw ArgumentError(
          fmt::format("[Vocabulary] tokens: expected distinct tokens, got {} twice", quoted(token)));
  }
  if (tokens_.size() == special_) {
    throw ArgumentError(fmt::format(
        "[Vocabulary] text: expected at least one {} that is frequent enough, got none", name(unit_)));
  }
}

Vocabulary Vocabulary::of(std::span<const std::string> texts, const VocabularyOptions& options) {
  check(options);
  std::unordered_map<std::string, Index, Hash, std::equal_to<>> counts;
  for (const std::string& text : texts) {
    for (const std::string_view token : cut(text, options.unit)) {
      if (const auto found = counts.find(token); found != counts.end()) {
        ++found->second;
      } else {
        counts.emplace(token, 1);
      }
    }
  }
  for (const std::string& token : options.special) counts.erase(token);
  std::vector<std::pair<std::string, Index>> found;
  for (auto& [token, count] : counts) {
    if (count >= options.min_count) found.emplace_back(token, count);
  }
  // UTF-8 sorts by bytes as its code points do.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::vector<std::string> tokens = options.special;
  for (auto& [token, count] : found) {
    if (options.max_size && tokens.size() == static_cast<std::size_t>(*options.max_size)) break;
    tokens.push_back(std::move(token));
  }
  return Vocabulary(options.unit, options.special.size(), std::move(tokens));
}

Vocabulary Vocabulary::of(const std::string& text, const VocabularyOptions& options) {
  return of(std::span<const std::string>(&text, 1), options);
}

std::optional<std::int64_t> Vocabulary::find(std::string_view token) const {
  const auto found = ids_.find(token);
  if (tokens_.empty() || found == ids_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::int64_t> Vocabulary::encode(std::string_view text) const {
  detail::require_contents(!tokens_.empty(), "Vocabulary.encode");
  const auto unknown_id = unknown();
  std::vector<std::int64_t> ids;
  for (const std::string_view token : cut(text, unit_)) {
    const auto found = ids_.find(token);
    if (found == ids_.end() && !unknown_id) {
      throw ArgumentError(
          fmt::format("[Vocabulary.encode] text: expected known {}s (there is no <unk>), got {} at {}",
                      name(unit_), quoted(token), ids.size()));
    }
    ids.push_back(found == ids_.end() ? *unknown_id : found->second);
  }
  return ids;
}

std::string Vocabulary::decode(std::span<const std::int64_t> ids, bool skip_special) const {
  detail::require_contents(!tokens_.empty(), "Vocabulary.decode");
  std::string text;
  bool first = true;
  for (const std::int64_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) {
      throw ArgumentError(
          fmt::format("[Vocabulary.decode] ids: expected 0..{}, got {}", tokens_.size() - 1, id));
    }
    if (skip_special && static_cast<std::size_t>(id) < special_) continue;
    if (unit_ == TextUnit::word && !std::exchange(first, false)) text += ' ';
    text += tokens_[static_cast<std::size_t>(id)];
  }
  return text;
}

std::string Vocabulary::to_json() const {
  detail::require_contents(!tokens_.empty(), "Vocabulary.to_json");
  return Json{{"unit", name(unit_)}, {"special", special_}, {"tokens", tokens_}}.dump();
}

template <class Json>
Vocabulary Vocabulary::of_json(const Json& parsed) {
  if (!parsed.is_object()) fail_json("an object {\"unit\", \"special\", \"tokens\"}, got something else");
  for (const char* key : {"unit", "special", "tokens"}) {
    if (!parsed.contains(key)) fail_json(fmt::format("a member '{}', got none", key));
  }
  if (parsed.size() != 3) fail_json("the members unit, special and tokens, got more");
  const Json& unit = parsed["unit"];
  if (unit != kUnits[0] && unit != kUnits[1])
    fail_json(fmt::format("unit \"character\" or \"word\", got {}", detail::excerpt(unit)));
  const Json& tokens = parsed["tokens"];
  if (!tokens.is_array() ||
      !std::all_of(tokens.begin(), tokens.end(), [](const Json& t) { return t.is_string(); }))
    fail_json("tokens as a list of texts, got something else");
  const Json& special = parsed["special"];
  if (!special.is_number_unsigned() || special.template get<std::uint64_t>() > tokens.size())
    fail_json(fmt::format("special as a number 0..{}, got {}", tokens.size(), detail::excerpt(special)));
  return Vocabulary(unit == kUnits[0] ? TextUnit::character : TextUnit::word,
                    special.template get<std::size_t>(), tokens.template get<std::vector<std::string>>());
}

Vocabulary Vocabulary::from_json(std::string_view json) {
  return of_json(Json::parse(detail::bounded_json(json, "Vocabulary.from_json"), nullptr, false));
}

template Vocabulary Vocabulary::of_json(const Json&);

}  // namespace unroll
