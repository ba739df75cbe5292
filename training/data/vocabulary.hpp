// Vocabulary: the characters or words of a training text and their ids.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

template <class S>
class TableEncoder;

enum class TextUnit { character, word };

struct VocabularyOptions {
  TextUnit unit = TextUnit::character;
  Index min_count = 1;                                    // rarer tokens become unknown
  std::optional<Index> max_size = {};                     // largest number of tokens, including special ones
  std::vector<std::string> special = {"<pad>", "<unk>"};  // get the ids 0, 1, ... in this order
};

// Tokens by id: the special ones, then those of the training text, most frequent first, on ties in the order
// of their code points. Batches are padded with "<pad>"; "<unk>" replaces unknown tokens, which are an error
// without it. Functions that need tokens throw ArgumentError for a moved-from object.
class Vocabulary {
 public:
  // From UTF-8 texts; use the training part alone. A word that equals a special token is that token. Throws
  // ArgumentError for options out of range, empty or repeated special tokens, a text that is not UTF-8, and
  // if no token is left.
  static Vocabulary of(std::span<const std::string> texts, const VocabularyOptions& options = {});
  static Vocabulary of(const std::string& text, const VocabularyOptions& options = {});

  std::size_t size() const noexcept { return tokens_.size(); }
  TextUnit unit() const noexcept { return unit_; }
  // All tokens; the first special_count() of them are the special ones.
  const std::vector<std::string>& tokens() const& noexcept { return tokens_; }
  std::vector<std::string> tokens() && { return std::move(tokens_); }
  std::size_t special_count() const noexcept { return tokens_.empty() ? 0 : special_; }

  // The id of a token, of "<pad>" and of "<unk>", if there is one.
  std::optional<std::int64_t> find(std::string_view token) const;
  std::optional<std::int64_t> pad() const { return find("<pad>"); }
  std::optional<std::int64_t> unknown() const { return find("<unk>"); }

  // The ids of a text's characters or words. Throws ArgumentError for a text that is not UTF-8 and, without
  // "<unk>", for an unknown token.
  std::vector<std::int64_t> encode(std::string_view text) const;
  // The text of ids: characters joined, words separated by spaces, special tokens by name unless they are
  // skipped. Throws ArgumentError for an id outside 0..size()-1.
  std::string decode(std::span<const std::int64_t> ids, bool skip_special = false) const;

  // As JSON, for the metadata of a model file: {"unit": "character", "special": 2, "tokens": [...]}.
  std::string to_json() const;
  // Throws ArgumentError for anything that to_json would not write.
  static Vocabulary from_json(std::string_view json);

  bool operator==(const Vocabulary& other) const {
    return unit_ == other.unit_ && special_count() == other.special_count() && tokens_ == other.tokens_;
  }

 private:
  template <class S>
  friend class TableEncoder;
  Vocabulary(TextUnit unit, std::size_t special, std::vector<std::string> tokens);
  template <class Json>
  static Vocabulary of_json(const Json& json);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };

  TextUnit unit_;
  std::size_t special_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> ids_;
};

}  // namespace unroll
