// A picture of a run that grows with it.
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

// Draws scalars in panels: "train/loss" and "valid/loss" are the curves train and valid of the panel loss,
// and a name without a slash is a panel of its own. The best value of valid is marked. flush() draws the
// picture, a PNG or SVG file by its name's end, if anything was added. Histograms and texts are left out. One
// that was moved from throws ArgumentError, and plot() is empty.
class PlotLog : public Log {
 public:
  // Throws ArgumentError unless path ends in .png or .svg, FileError when the picture cannot be written or
  // gnuplot is missing (naming Debian's package): before the training, not after.
  explicit PlotLog(std::string path, PlotLogOptions options = {});

  void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) override;
  // Throws FileError when the picture cannot be drawn; its script, with the data, is then in path + ".gp".
  void flush() override;
  // Forgets later steps, and reads what it does not know from the history. Without a history the picture
  // begins here. Throws FileError for a history that is not a CsvLog's.
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
