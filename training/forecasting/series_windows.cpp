#include "training/forecasting/series_windows.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"

namespace unroll {
namespace {

// The columns that are forecast.
std::vector<std::size_t> target_columns(const WindowOptions& options, std::size_t features) {
  std::vector<std::size_t> columns;
  for (const Index c : options.columns) {
    if (c < 0 || static_cast<std::size_t>(c) >= features)
      throw ArgumentError(fmt::format("[windows] columns: expected 0..{}, got {}", features - 1, c));
    columns.push_back(static_cast<std::size_t>(c));
  }
  for (std::size_t c = 0; options.columns.empty() && c < features; ++c) columns.push_back(c);
  return columns;
}

}  // namespace

template <class S>
SequenceDataset<S> windows(const Tensor<S>& series, const WindowOptions& options) {
  if (options.length < 1 || options.stride < 1 || options.horizon < 1) {
    throw ArgumentError(fmt::format("[windows] length, stride and horizon: expected >= 1, got {}, {} and {}",
                                    options.length, options.stride, options.horizon));
  }
  const Shape& shape = series.shape();
  if (shape.size() != 2 || shape[1] == 0)
    throw ShapeError(fmt::format("[windows] series: expected (N,I), got {}", to_string(shape)));
  const std::size_t steps = shape[0], features = shape[1];
  const auto length = static_cast<std::size_t>(options.length),
             horizon = static_cast<std::size_t>(options.horizon);
  if (steps < length || steps - length < horizon) {
    throw ShapeError(fmt::format(
        "[windows] series: expected at least {} steps (a window of {} and its target {} later), got {}",
        length + horizon, length, horizon, steps));
  }
  const auto columns = target_columns(options, features);
  const std::size_t width = columns.size();

  SequenceDataset<S> data;
  auto& store = *data.store_;
  store.defined = true;
  store.width = features;
  store.values.assign(series.data(), series.data() + series.size());
  store.target = options.target == WindowTarget::every_step ? TargetKind::step_vectors : TargetKind::vector;
  store.target_width = options.target == WindowTarget::path_ahead ? horizon * width : width;
  for (std::size_t t = 0; t < steps; ++t) {
    for (const std::size_t c : columns) store.targets.push_back(series.data()[t * features + c]);
  }
  for (std::size_t first = 0; first <= steps - length - horizon;
       first += static_cast<std::size_t>(options.stride)) {
    std::size_t target = first + length - 1 + horizon;
    if (options.target == WindowTarget::path_ahead) target = first + length;
    if (options.target == WindowTarget::every_step) target = first + horizon;
    data.samples_.push_back({first, length, target * width});
  }
  return data;
}

template SequenceDataset<float> windows(const Tensor<float>&, const WindowOptions&);
template SequenceDataset<double> windows(const Tensor<double>&, const WindowOptions&);

}  // namespace unroll
