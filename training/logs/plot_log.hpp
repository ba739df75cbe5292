// PlotLog: a picture of a run, redrawn as it grows.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "training/logs/log.hpp"
#include "training/logs/plot.hpp"

namespace unroll {

enum class PlotAxis { step, epoch };

struct PlotLogOptions {
  std::string title = {};
  PlotAxis axis = PlotAxis::step;        // epoch: several values of one epoch are averaged
  std::vector<std::string> panels = {};  // which, in this order ("loss", "accuracy"); empty: all
  std::vector<std::string> larger_is_better = {"accuracy", "f1"};  // panels; in all others smaller is better
  std::vector<std::string> log_scale = {};                         // panels with a logarithmic axis
  std::string history = {};  // the CsvLog of the same run, from which resume() takes the earlier part
};

// Draws scalars in panels: "train/loss" and "valid/loss" are the curves train and valid of the panel loss; a
// name without a slash has its own panel. The best value of valid is marked. flush() draws the picture, a PNG
// or SVG file by the ending of its name, if anything was added. Histograms and texts are ignored. A
// moved-from log throws ArgumentError, and its plot() is empty.
class PlotLog : public Log {
 public:
  // Throws ArgumentError unless path ends in .png or .svg, FileError if the picture cannot be written or
  // gnuplot is missing (naming Debian's package).
  explicit PlotLog(std::string path, PlotLogOptions options = {});

  void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) override;
  // Throws FileError if the picture cannot be drawn; the script with the data is then path + ".gp".
  void flush() override;
  // Forgets later steps and reads earlier ones from the history. Without a history the picture begins here.
  // Throws FileError for a history that is not a CsvLog's.
  void resume(std::int64_t step) override;
  std::string path() const override { return path_; }

  // What flush() draws.
  Plot plot() const;

 private:
  struct Value {
    std::int64_t step, epoch;
    double value;
  };
  struct Series {
    std::string name;
    std::vector<Value> values;
  };
  void add(std::int64_t step, std::int64_t epoch, const std::string& name, double value);
  PlotCurve curve(const std::string& label, const Series& series) const;

  std::string path_;
  PlotLogOptions options_;
  std::vector<Series> series_;  // in order of appearance
  std::map<std::string, std::size_t> index_;
  bool changed_ = false;
};

}  // namespace unroll
