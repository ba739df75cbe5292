#include "training/logs/plot_log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "framework/errors.hpp"
#include "training/logs/csv_table.hpp"
#include "training/moved_from.hpp"

namespace unroll {
namespace {

constexpr std::size_t kMostDots = 60;  // of a curve; more run into each other

// "valid/accuracy" -> panel accuracy, curve valid; "lr" -> panel lr, curve lr
std::pair<std::string, std::string> panel_and_curve(const std::string& name) {
  const std::size_t slash = name.find('/');
  if (slash == name.npos) return {name, name};
  return {name.substr(slash + 1), name.substr(0, slash)};
}

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::ranges::find(list, name) != list.end();
}

// A ring around the best value of the curve; none when it has no finite one.
void mark_best(PlotPanel& panel, const PlotCurve& curve, bool larger, const std::string& axis) {
  std::size_t best = curve.y.size();
  for (std::size_t i = 0; i < curve.y.size(); ++i) {
    if (!std::isfinite(curve.y[i])) continue;
    if (best == curve.y.size() || (larger ? curve.y[i] > curve.y[best] : curve.y[i] < curve.y[best]))
      best = i;
  }
  if (best == curve.y.size()) return;
  panel.marks.push_back({curve.x[best], curve.y[best],
                         fmt::format("best {:.4g} at {} {:g}", curve.y[best], axis, curve.x[best])});
}

// From the first to the last value of all panels, so that what is below each other was at the same time.
void share_x_range(Plot& plot) {
  double first = std::numeric_limits<double>::infinity(), last = -first;
  for (const PlotPanel& panel : plot.panels) {
    for (const PlotCurve& curve : panel.curves) {
      for (const double x : curve.x) {
        first = std::min(first, x);
        last = std::max(last, x);
      }
    }
  }
  if (!(first < last)) return;
  for (PlotPanel& panel : plot.panels) panel.x_range = std::pair(first, last);
}

}  // namespace

PlotLog::PlotLog(std::string path, PlotLogOptions options)
    : path_(std::move(path)), options_(std::move(options)) {
  require_plot_path(path_);
  require_gnuplot();
}

void PlotLog::scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) {
  detail::require_contents(!path_.empty(), "PlotLog.scalars");
  detail::check_scalar_names("PlotLog", values, {});
  for (const NamedScalar& value : values) add(step, epoch, value.name, value.value);
}

void PlotLog::add(std::int64_t step, std::int64_t epoch, const std::string& name, double value) {
  const auto [entry, fresh] = index_.try_emplace(name, series_.size());
  if (fresh) series_.push_back({name, {}});
  series_[entry->second].values.push_back({step, epoch, value});
  changed_ = true;
}

void PlotLog::flush() {
  detail::require_contents(!path_.empty(), "PlotLog.flush");
  if (!changed_) return;
  draw_plot(path_, plot());
  changed_ = false;
}

void PlotLog::resume(std::int64_t step) {
  detail::require_contents(!path_.empty(), "PlotLog.resume");
  if (options_.history.empty()) {
    for (Series& series : series_) {
      std::erase_if(series.values, [&](const Value& value) { return value.step > step; });
    }
    return;
  }
  // Opening it for its log would create it.
  if (::access(options_.history.c_str(), F_OK) != 0) {
    throw FileError(fmt::format("[PlotLog] {}: cannot read the run's CSV log: {}", options_.history,
                                std::strerror(errno)));
  }
  const detail::LogFile file(options_.history, "PlotLog");
  const std::string text = file.read();
  const detail::CsvTable table(file, text);
  PlotLog past(*this);
  past.series_.clear();
  past.index_.clear();
  for (std::size_t n = 0; n < table.rows.size(); ++n) {
    const auto& row = table.rows[n];
    if (row.step > step) continue;
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      if (const auto value = table.value(n, c)) past.add(row.step, row.epoch, table.columns[c], *value);
    }
  }
  *this = std::move(past);
}

PlotCurve PlotLog::curve(const std::string& label, const Series& series) const {
  PlotCurve curve{.label = label, .x = {}, .y = {}};
  std::size_t count = 0;  // of the last epoch
  for (const Value& value : series.values) {
    const auto x = static_cast<double>(options_.axis == PlotAxis::step ? value.step : value.epoch);
    if (options_.axis == PlotAxis::epoch && !curve.x.empty() && curve.x.back() == x) {
      ++count;
      curve.y.back() += (value.value - curve.y.back()) / static_cast<double>(count);
    } else {
      curve.x.push_back(x);
      curve.y.push_back(value.value);
      count = 1;
    }
  }
  curve.points = curve.x.size() <= kMostDots;
  return curve;
}

Plot PlotLog::plot() const {
  // A part has one colour in all panels.
  std::vector<std::string> labels{"train", "valid"};
  for (const Series& series : series_) {
    const auto [panel, label] = panel_and_curve(series.name);
    if (label != panel && !contains(labels, label)) labels.push_back(label);
  }
  const std::string axis = options_.axis == PlotAxis::step ? "step" : "epoch";
  std::vector<std::string> titles = options_.panels;
  if (titles.empty()) {
    for (const Series& series : series_) {
      const std::string title = panel_and_curve(series.name).first;
      if (!contains(titles, title)) titles.push_back(title);
    }
  }
  Plot plot{.title = options_.title, .panels = {}, .width = 1000, .panel_height = 320};
  for (const std::string& title : titles) {
    PlotPanel panel{.title = title, .curves = {}};
    panel.log_y = contains(options_.log_scale, title);
    for (const Series& series : series_) {
      const auto [of, label] = panel_and_curve(series.name);
      if (of != title) continue;
      panel.curves.push_back(curve(label, series));
      const auto color = std::ranges::find(labels, label) - labels.begin();
      panel.curves.back().color = plot_color(label == title ? 0 : static_cast<std::size_t>(color));
      if (label == title) panel.curves.back().label.clear();  // the panel's title says it
      if (label == "valid") {
        mark_best(panel, panel.curves.back(), contains(options_.larger_is_better, title), axis);
      }
    }
    plot.panels.push_back(std::move(panel));
  }
  share_x_range(plot);
  if (!plot.panels.empty()) plot.panels.back().x_label = axis;
  return plot;
}

}  // namespace unroll
