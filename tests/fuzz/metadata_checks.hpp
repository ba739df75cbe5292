// All that can be asked of a Metadata. Whatever JSON a class writes for it is read back as the same.
#pragma once

#include <string>
#include <string_view>

#include "tests/fuzz/fuzz.hpp"
#include "training/data/labels.hpp"
#include "training/data/standardizer.hpp"
#include "training/data/table_encoder.hpp"
#include "training/data/vocabulary.hpp"
#include "training/forecasting/series_encoder.hpp"
#include "training/models/metadata.hpp"

namespace unroll::fuzz {

template <class T>
void check_json(std::string_view json) {
  const auto value = attempt([&] { return T::from_json(json); });
  if (!value) return;
  const std::string written = must("what was read is written", [&] { return value->to_json(); });
  const auto again = must("what was written is read", [&] { return T::from_json(written); });
  require(again.to_json() == written, "JSON written and read is the same");
}

// f<T>() for every class that travels in a model's metadata.
template <class F>
void each_travelling_class(F&& f) {
  f.template operator()<Vocabulary>();
  f.template operator()<Labels>();
  f.template operator()<Standardizer<float>>();
  f.template operator()<Standardizer<double>>();
  f.template operator()<TableEncoder<float>>();
  f.template operator()<TableEncoder<double>>();
  f.template operator()<SeriesEncoder<float>>();
  f.template operator()<SeriesEncoder<double>>();
}

inline void check_metadata(const Metadata& metadata) {
  std::size_t most = 16;  // keys; one alike the other
  for (const auto& entry : metadata.all()) {
    if (most-- == 0) break;
    const std::string& key = entry.first;
    require(metadata.contains(key), "a key that is listed is there");
    must("every text is read", [&] { return std::string(metadata.text(key)); });
    attempt([&] { return metadata.flag(key); });
    if (const auto number = attempt([&] { return metadata.number(key, -5, 5); })) {
      require(*number >= -5 && *number <= 5, "a number keeps its limits");
      require(*number == metadata.number(key), "a number is the same within limits and without");
    }
    attempt([&] { return metadata.number(key); });
    attempt([&] { return metadata.real(key); });
    attempt([&] { metadata.require(key, "x"); });
    if (const auto list = attempt([&] { return metadata.texts(key); })) {
      Metadata other;
      other.set("k", *list);
      require(other.texts("k") == *list, "texts written and read are the same");
    }
    if (const auto list = attempt([&] { return metadata.reals(key); })) {
      Metadata other;
      other.set("k", *list);
      require(other.reals("k") == *list, "numbers written and read are the same");
    }
    if (const auto list = attempt([&] { return metadata.numbers(key); })) {
      Metadata other;
      other.set("k", *list);
      require(other.numbers("k") == *list, "whole numbers written and read are the same");
    }
    each_travelling_class([&]<class T> { attempt([&] { return metadata.parsed<T>(key); }); });
  }
}

}  // namespace unroll::fuzz
