#include "training/data/standardizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "framework/errors.hpp"
#include "training/data/json_text.hpp"
#include "training/moved_from.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

// Running mean and sum of squared deviations of each feature (Welford 1962): what is constant has exactly its
// value as mean, and exactly no variance.
class Moments {
 public:
  explicit Moments(std::size_t features) : mean_(features, 0.0), squares_(features, 0.0) {}

  template <class S>
  void add(const S* row) {
    const auto n = static_cast<double>(++count_);
    for (std::size_t f = 0; f < mean_.size(); ++f) {
      const auto x = static_cast<double>(row[f]);
      if (!std::isfinite(x)) {
        throw ArgumentError(
            fmt::format("[Standardizer.fit] x: expected finite numbers, got {} as feature {} of row {}", x, f,
                        count_ - 1));
      }
      const double delta = x - mean_[f];
      mean_[f] += delta / n;
      squares_[f] += delta * (x - mean_[f]);
    }
  }

  template <class S>
  Standardizer<S> finish() const {
    if (count_ == 0) throw ShapeError("[Standardizer.fit] x: expected at least one row, got none");
    const Shape shape{mean_.size()};
    Tensor<S> mean(shape), scale(shape);
    for (std::size_t f = 0; f < mean_.size(); ++f) {
      mean.data()[f] = static_cast<S>(mean_[f]);
      const auto deviation = static_cast<S>(std::sqrt(squares_[f] / static_cast<double>(count_)));
      scale.data()[f] = deviation > S{0} ? deviation : S{1};
    }
    return {std::move(mean), std::move(scale)};
  }

 private:
  std::size_t count_ = 0;
  std::vector<double> mean_, squares_;
};

template <class S>
void check_lengths(const char* function, const Tensor<S>& x, const std::vector<Index>& lengths) {
  if (x.dimension() != 3 || x.shape()[1] != lengths.size()) {
    throw ShapeError(fmt::format("[{}] x: expected (T,{},I) (a sequence for each length), got {}", function,
                                 lengths.size(), to_string(x.shape())));
  }
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    if (lengths[b] < 0 || static_cast<std::size_t>(lengths[b]) > x.shape()[0]) {
      throw ShapeError(fmt::format("[{}] lengths[{}]: expected 0..{} (x's T), got {}", function, b,
                                   x.shape()[0], lengths[b]));
    }
  }
}

// Calls f(first element) for every row of x, or every one of a real step.
template <class X, class F>
void for_each_row(const char* function, X& x, const std::vector<Index>& lengths, F&& f) {
  if (x.dimension() == 0) throw ShapeError(fmt::format("[{}] x: expected (...,I), got a scalar", function));
  if (!lengths.empty()) check_lengths(function, x, lengths);
  const std::size_t width = x.shape()[x.dimension() - 1];
  const std::size_t rows = width == 0 ? 0 : x.size() / width;
  for (std::size_t r = 0; r < rows; ++r) {
    if (!lengths.empty() && static_cast<std::size_t>(lengths[r % lengths.size()]) <= r / lengths.size())
      continue;
    f(x.data() + r * width);
  }
}

void require_features(const char* function, std::size_t want, std::size_t got) {
  if (want != got) throw ShapeError(fmt::format("[{}] x: expected {} features, got {}", function, want, got));
}

}  // namespace

template <class S>
Standardizer<S>::Standardizer(Tensor<S> mean, Tensor<S> scale)
    : mean_(std::move(mean)), scale_(std::move(scale)) {
  if (mean_.dimension() != 1 || mean_.size() == 0 || mean_.shape() != scale_.shape()) {
    throw ShapeError(fmt::format("[Standardizer] mean and scale: expected (I), got {} and {}",
                                 to_string(mean_.shape()), to_string(scale_.shape())));
  }
  for (std::size_t f = 0; f < mean_.size(); ++f) {
    const S m = mean_.data()[f], s = scale_.data()[f];
    if (!(std::isfinite(m) && std::isfinite(s) && s > S{0})) {
      throw ArgumentError(
          fmt::format("[Standardizer] mean and scale: expected finite numbers and scale above 0, got {} and "
                      "{} for feature {}",
                      m, s, f));
    }
  }
}

template <class S>
Standardizer<S> Standardizer<S>::fit(const Tensor<S>& x) {
  return fit(x, {});
}

template <class S>
Standardizer<S> Standardizer<S>::fit(const Tensor<S>& x, const std::vector<Index>& lengths) {
  Moments moments(x.dimension() == 0 ? 0 : x.shape()[x.dimension() - 1]);
  for_each_row("Standardizer.fit", x, lengths, [&](const S* row) { moments.add(row); });
  return moments.template finish<S>();
}

template <class S>
Standardizer<S> Standardizer<S>::fit(const SequenceDataset<S>& data) {
  if (data.has_ids()) throw ArgumentError("[Standardizer.fit] data: expected sequences of numbers, got ids");
  Moments moments(data.features());
  for (std::size_t i = 0; i < data.size(); ++i) {
    const auto values = data.values(i);
    for (std::size_t t = 0; t < data.length(i); ++t) moments.add(values.data() + t * data.features());
  }
  return moments.template finish<S>();
}

template <class S>
void Standardizer<S>::require_contents(const char* function) const {
  detail::require_contents(mean_.size() > 0 && scale_.size() > 0, function);
}

template <class S>
Tensor<S> Standardizer<S>::transform(const Tensor<S>& x, const std::vector<Index>& lengths) const {
  require_contents("Standardizer.transform");
  Tensor<S> y = x;
  if (x.dimension() > 0)
    require_features("Standardizer.transform", mean_.size(), x.shape()[x.dimension() - 1]);
  for_each_row("Standardizer.transform", y, lengths, [&](S* row) {
    for (std::size_t f = 0; f < mean_.size(); ++f) row[f] = (row[f] - mean_.data()[f]) / scale_.data()[f];
  });
  return y;
}

template <class S>
Tensor<S> Standardizer<S>::inverse(const Tensor<S>& y, const std::vector<Index>& lengths) const {
  require_contents("Standardizer.inverse");
  Tensor<S> x = y;
  if (y.dimension() > 0) require_features("Standardizer.inverse", mean_.size(), y.shape()[y.dimension() - 1]);
  for_each_row("Standardizer.inverse", x, lengths, [&](S* row) {
    for (std::size_t f = 0; f < mean_.size(); ++f) row[f] = row[f] * scale_.data()[f] + mean_.data()[f];
  });
  return x;
}

template <class S>
SequenceDataset<S> Standardizer<S>::transform(const SequenceDataset<S>& data) const {
  require_contents("Standardizer.transform");
  if (data.has_ids())
    throw ArgumentError("[Standardizer.transform] data: expected sequences of numbers, got ids");
  require_features("Standardizer.transform", mean_.size(), data.features());
  return data.transformed([&](std::span<S> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t f = i % mean_.size();
      values[i] = (values[i] - mean_.data()[f]) / scale_.data()[f];
    }
  });
}

template <class S>
TensorMap<S> Standardizer<S>::tensors(const std::string& prefix) const {
  require_contents("Standardizer.tensors");
  return {{prefix + "mean", mean_}, {prefix + "scale", scale_}};
}

template <class S>
Standardizer<S> Standardizer<S>::from_tensors(const TensorMap<S>& tensors, const std::string& prefix) {
  const auto get = [&](const char* name) {
    const auto found = tensors.find(prefix + name);
    if (found == tensors.end())
      throw ArgumentError(
          fmt::format("[Standardizer.from_tensors] tensors: expected '{}{}', got none", prefix, name));
    return found->second;
  };
  const Tensor<S> mean = get("mean"), scale = get("scale");
  if (mean.dimension() != 1 || mean.size() == 0 || mean.shape() != scale.shape()) {
    throw ArgumentError(
        fmt::format("[Standardizer.from_tensors] tensors: expected mean and scale (I), got {} and {}",
                    to_string(mean.shape()), to_string(scale.shape())));
  }
  return {mean, scale};
}

template <class S>
std::string Standardizer<S>::to_json() const {
  require_contents("Standardizer.to_json");
  const auto list = [](const Tensor<S>& x) { return std::vector<S>(x.data(), x.data() + x.size()); };
  return Json{{"mean", list(mean_)}, {"scale", list(scale_)}}.dump();
}

template <class S>
template <class Json>
Standardizer<S> Standardizer<S>::of_json(const Json& json) {
  const auto get = [&](const char* name) {
    const bool good =
        json.is_object() && json.size() == 2 && json.contains(name) && json[name].is_array() &&
        std::all_of(json[name].begin(), json[name].end(), [](const Json& v) { return v.is_number(); });
    if (!good) {
      throw ArgumentError(
          fmt::format("[Standardizer.from_json] json: expected an object of lists of numbers mean and scale, "
                      "got no such '{}'",
                      name));
    }
    const auto values = json[name].template get<std::vector<S>>();
    return from_values<S>(Shape{values.size()}, values);
  };
  const Tensor<S> mean = get("mean"), scale = get("scale");
  if (mean.size() != scale.size() || mean.size() == 0) {
    throw ArgumentError(fmt::format(
        "[Standardizer.from_json] json: expected lists mean and scale of one length, got {} and {}",
        mean.size(), scale.size()));
  }
  return {mean, scale};
}

template <class S>
Standardizer<S> Standardizer<S>::from_json(std::string_view json) {
  return of_json(Json::parse(detail::bounded_json(json, "Standardizer.from_json"), nullptr, false));
}

template class Standardizer<float>;
template class Standardizer<double>;
template Standardizer<float> Standardizer<float>::of_json(const Json&);
template Standardizer<double> Standardizer<double>::of_json(const Json&);

}  // namespace unroll
