#include "training/forecasting/series_encoder.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>
#include <utility>

#include "framework/errors.hpp"
#include "training/data/json_text.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

void check(const Series& series, Index first, Index last) {
  if (first < 0 || last < first || last > series.size()) {
    throw ShapeError(
        fmt::format("[SeriesEncoder] steps: expected a range within a series of {}, got {} to {}",
                    series.size(), first, last));
  }
}

// The value of step t, which S can hold.
template <class S>
double value(const Series& series, Index t) {
  const double x = series.values[static_cast<std::size_t>(t)];
  if (std::isfinite(x) && std::abs(x) > static_cast<double>(std::numeric_limits<S>::max()))
    throw ArgumentError(
        fmt::format("[SeriesEncoder] values: expected numbers that fit a float, got {} at step {}", x, t));
  return x;
}

template <class S>
Standardizer<S> fit(const Series& series, const SeriesPart& train) {
  check(series, train.first, train.last);
  Tensor<S> values(Shape{static_cast<std::size_t>(train.size()), 1});
  for (Index t = train.first; t < train.last; ++t)
    values(static_cast<std::size_t>(t - train.first), 0) = static_cast<S>(value<S>(series, t));
  return Standardizer<S>::fit(values);
}

}  // namespace

template <class S>
SeriesEncoder<S>::SeriesEncoder(Standardizer<S> standardizer, Index period)
    : standardizer_(std::move(standardizer)), period_(period) {
  if (period < 0 || period == 1)
    throw ArgumentError(fmt::format("[SeriesEncoder] period: expected 0 (none) or >= 2, got {}", period));
  if (standardizer_.mean().size() != 1) {
    throw ArgumentError(
        fmt::format("[SeriesEncoder] standardizer: expected 1 feature, got {}", standardizer_.mean().size()));
  }
}

template <class S>
SeriesEncoder<S>::SeriesEncoder(const Series& series, const SeriesPart& train, Index period)
    : SeriesEncoder(fit<S>(series, train), period) {}

template <class S>
double SeriesEncoder<S>::mean() const {
  standardizer_.require_contents("SeriesEncoder.mean");
  return static_cast<double>(standardizer_.mean()(0));
}

template <class S>
double SeriesEncoder<S>::scale() const {
  standardizer_.require_contents("SeriesEncoder.scale");
  return static_cast<double>(standardizer_.scale()(0));
}

template <class S>
void SeriesEncoder<S>::write(S* to, double value, Index t) const {
  to[0] = (static_cast<S>(value) - standardizer_.mean()(0)) / standardizer_.scale()(0);
  if (period_ == 0) return;
  const double angle =
      2.0 * std::numbers::pi * static_cast<double>((t + 1) % period_) / static_cast<double>(period_);
  to[1] = static_cast<S>(std::sin(angle));
  to[2] = static_cast<S>(std::cos(angle));
}

template <class S>
Tensor<S> SeriesEncoder<S>::encode(double value, Index t) const {
  standardizer_.require_contents("SeriesEncoder.encode");
  Tensor<S> x(Shape{static_cast<std::size_t>(features())});
  write(x.data(), value, t);
  return x;
}

template <class S>
Tensor<S> SeriesEncoder<S>::encode(const Series& series, Index first, Index last) const {
  standardizer_.require_contents("SeriesEncoder.encode");
  check(series, first, last);
  Tensor<S> x(Shape{static_cast<std::size_t>(last - first), static_cast<std::size_t>(features())});
  for (Index t = first; t < last; ++t) write(x.data() + (t - first) * features(), value<S>(series, t), t);
  return x;
}

template <class S>
std::string SeriesEncoder<S>::to_json() const {
  return Json{{"period", period_}, {"standardizer", Json::parse(standardizer_.to_json())}}.dump();
}

template <class S>
SeriesEncoder<S> SeriesEncoder<S>::from_json(std::string_view text) {
  const Json json = Json::parse(detail::bounded_json(text, "SeriesEncoder.from_json"), nullptr, false);
  if (!json.is_object() || json.size() != 2 || !json.contains("period") || !json.contains("standardizer") ||
      !json["period"].is_number_unsigned()) {
    throw ArgumentError(
        "[SeriesEncoder.from_json] json: expected period and standardizer, got something else");
  }
  return SeriesEncoder(Standardizer<S>::of_json(json["standardizer"]), json["period"].get<Index>());
}

template class SeriesEncoder<float>;
template class SeriesEncoder<double>;

}  // namespace unroll
