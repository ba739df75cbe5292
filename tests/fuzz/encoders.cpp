// What travels as JSON in a model's metadata.
#include <vector>

#include "tests/fuzz/metadata_checks.hpp"

namespace unroll::fuzz {
namespace {

void check_vocabulary(std::string_view json) {
  const auto vocabulary = attempt([&] { return Vocabulary::from_json(json); });
  if (!vocabulary) return;
  std::vector<std::int64_t> ids;
  for (std::size_t id = 0; id < vocabulary->size(); ++id) {
    ids.push_back(static_cast<std::int64_t>(id));
    require(vocabulary->find(vocabulary->tokens()[id]) == ids.back(), "every token has its id");
  }
  const std::string text = must("all ids are decoded", [&] { return vocabulary->decode(ids); });
  attempt([&] { return vocabulary->encode(text); });
}

template <class S>
void check_table_encoder(std::string_view json) {
  const auto encoder = attempt([&] { return TableEncoder<S>::from_json(json); });
  if (!encoder) return;
  require(!encoder->form().empty(), "a form has words");
  const std::vector<std::string> rows{"1,2", "a", "1 2 3 4", ""};
  for (const std::string& row : rows) {
    const auto table = attempt([&] { return encoder->as_table({row}, "input"); });
    if (table) attempt([&] { return encoder->encode(*table); });
  }
}

template <class S>
void check_series_encoder(std::string_view json) {
  const auto encoder = attempt([&] { return SeriesEncoder<S>::from_json(json); });
  if (!encoder) return;
  const auto step = must("a step is encoded", [&] { return encoder->encode(1.5, 7); });
  require(step.shape() == Shape{static_cast<std::size_t>(encoder->features())}, "a step has its features");
}

}  // namespace

void one_input(std::string_view input) {
  each_travelling_class([&]<class T> { check_json<T>(input); });
  check_vocabulary(input);
  check_table_encoder<float>(input);
  check_table_encoder<double>(input);
  check_series_encoder<float>(input);
  check_series_encoder<double>(input);
  check_metadata(Metadata({{"key", std::string(input)}}, "model.safetensors"));
}

}  // namespace unroll::fuzz
