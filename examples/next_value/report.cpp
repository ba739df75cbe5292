#include "examples/next_value/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <utility>
#include <vector>

#include "framework/errors.hpp"

namespace unroll::examples::next_value {
namespace {

// A file that is either written whole or reported.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path) : path_(path), stream_(path) { check(); }
  void write(const std::string& text) { stream_ << text; }
  void close() {
    stream_.close();
    check();
  }

 private:
  void check() const {
    if (!stream_)
      throw FileError(fmt::format("{}: want a file to write, got: {}", path_, std::strerror(errno)));
  }
  std::string path_;
  std::ofstream stream_;
};

// The values of the steps from first on.
PlotCurve curve(const std::string& label, const std::string& color, const Series& series, std::size_t first,
                std::span<const double> values) {
  PlotCurve result{.label = label, .x = {}, .y = {values.begin(), values.end()}, .color = color};
  for (std::size_t i = 0; i < values.size(); ++i) result.x.push_back(series.time(first + i));
  return result;
}

}  // namespace

void require_writable_path(const std::string& path) {
  const bool existed = std::filesystem::exists(path);
  errno = 0;
  std::ofstream probe(path, std::ios::app);
  if (!probe) throw FileError(fmt::format("{}: want a file to write, got: {}", path, std::strerror(errno)));
  probe.close();
  std::error_code ignored;
  if (!existed) std::filesystem::remove(path, ignored);
}

Plot forecast_plot(const std::string& cell, const Series& series, const Outcome& outcome) {
  // The scored steps, and half as many before them.
  const std::size_t scored = series.tests.front().first;
  const std::size_t before = std::min(scored, (series.size() - scored) / 2);
  const std::size_t first = scored - before, last = series.size() - 1;
  std::vector<double> ahead{series.values.back()};
  ahead.insert(ahead.end(), outcome.ahead.begin(), outcome.ahead.end());

  PlotPanel panel{.title = fmt::format("{}: {} against truth", series.name, cell), .curves = {}};
  panel.curves.push_back(curve("truth", "black", series, first, std::span(series.values).subspan(first)));
  panel.curves.push_back(
      curve("one step ahead", "#d95f02", series, first, std::span(outcome.one_step).subspan(first)));
  panel.curves.push_back(curve("beyond the end", "#1b78be", series, last, ahead));
  panel.curves.back().points = true;
  if (before > 0) panel.x_lines.push_back(series.time(scored));
  panel.x_lines.push_back(series.time(last));
  panel.x_range = std::pair(series.time(first), series.time(last + outcome.ahead.size()));
  return {.panels = {std::move(panel)}};
}

void write_csv(const std::string& path, const Series& series, const Outcome& outcome) {
  errno = 0;
  OutputFile file(path);
  file.write("time,truth,one_step,ahead\n");
  for (std::size_t i = 0; i < series.size(); ++i) {
    const double forecast = outcome.one_step[i];
    file.write(fmt::format("{},{:.9g},{},\n", series.label(i), series.values[i],
                           std::isnan(forecast) ? "" : fmt::format("{:.9g}", forecast)));
  }
  for (std::size_t k = 0; k < outcome.ahead.size(); ++k) {
    file.write(fmt::format("{},,,{:.9g}\n", series.label(series.size() + k), outcome.ahead[k]));
  }
  file.close();
}

}  // namespace unroll::examples::next_value
