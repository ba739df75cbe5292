// Plain text: lines, characters, words, vocabularies of them and back.
#include "training/data/text.hpp"

#include <algorithm>
#include <vector>

#include "tests/fuzz/fuzz.hpp"
#include "training/data/batches.hpp"
#include "training/data/split.hpp"
#include "training/data/vocabulary.hpp"

namespace unroll::fuzz {
namespace {

void check_vocabulary(const std::string& text, TextUnit unit) {
  const auto vocabulary = attempt([&] { return Vocabulary::of(text, {.unit = unit, .special = {}}); });
  if (!vocabulary) return;
  const auto ids = must("the text of a vocabulary is encoded", [&] { return vocabulary->encode(text); });
  const std::string back = must("its ids are decoded", [&] { return vocabulary->decode(ids); });
  if (unit == TextUnit::character) {
    require(back == text, "characters encoded and decoded are the same text");
  } else {
    const auto before = words(text), after = words(back);
    require(std::ranges::equal(before, after), "words encoded and decoded are the same words");
  }
  const std::string json = vocabulary->to_json();
  require(Vocabulary::from_json(json) == *vocabulary, "a vocabulary written and read is the same");
  attempt([&] { return Vocabulary::of(text, {.unit = unit, .min_count = 2, .max_size = 3}); });
  const auto stream = attempt([&] { return TextStream(ids, {.batch_size = 2, .window = 3}); });
  if (stream && stream->size() > 0) {
    must("the windows of a stream are there", [&] { return stream->batch(stream->size() - 1); });
  }
}

}  // namespace

void one_input(std::string_view input) {
  const std::string path = file("in.txt", input);
  const std::string bytes(input);
  attempt([&] { return characters(bytes).size(); });
  attempt([&] { return words(bytes).size(); });
  const auto text = attempt([&] { return read_text(path); });
  if (!text) return;
  must("a file's text has characters", [&] { return characters(*text).size(); });
  std::string together;
  if (const auto lines = attempt([&] { return read_lines(path); })) {
    for (const std::string& line : *lines) together += line;
  }
  require(together.size() <= text->size(), "lines are part of the text");
  if (const auto parts = attempt([&] { return split_text(*text, {}); })) {
    require(parts->train + parts->valid + parts->test == *text, "the parts of a text are all of it");
  }
  check_vocabulary(*text, TextUnit::character);
  check_vocabulary(*text, TextUnit::word);
}

}  // namespace unroll::fuzz
