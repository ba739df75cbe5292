// draw_plot: pictures of curves, drawn by gnuplot.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace unroll {

// One curve of a panel. It has a gap where y is not finite or beyond +-1e300.
struct PlotCurve {
  std::string label;                   // in the key; empty: not in the key
  std::vector<double> x = {}, y = {};  // of one size
  std::string color =
      {};               // a name or "#rrggbb"; empty: the next of eight that colour-blind readers tell apart
  bool points = false;  // a dot at every value, too
};

// A ring around one value, with a line in the key: for example the best epoch.
struct PlotMark {
  double x, y;
  std::string label;
};

struct PlotPanel {
  std::string title = {}, x_label = {}, y_label = {};
  std::vector<PlotCurve> curves = {};
  std::vector<PlotMark> marks = {};
  std::vector<double> x_lines = {};                       // vertical lines, behind the curves
  std::optional<std::pair<double, double>> x_range = {};  // left and right end; else what the curves need
  bool log_y = false;                                     // without values that are not positive
};

// Panels below each other, with the title above them.
struct Plot {
  std::string title = {};
  std::vector<PlotPanel> panels = {};
  int width = 1100, panel_height = 450;  // pixels
};

// The default colours of curves, repeating, "#rrggbb".
const char* plot_color(std::size_t index) noexcept;

// Throws ArgumentError unless path ends in .png or .svg, FileError unless it and path + ".gp" can be written.
// Changes and creates nothing.
void require_plot_path(const std::string& path);
// Throws FileError, naming Debian's package, unless there is a gnuplot on the PATH.
void require_gnuplot();

// Writes a PNG or SVG file, by the ending of its name. It replaces an old file, or the target of a link,
// atomically; a device or pipe is written directly. The script, with the data, is path + ".gp" and is removed
// when the picture is complete. Throws ArgumentError for another name, a curve whose x and y differ in size,
// no panels or a size outside 100..20000 pixels; FileError when a file cannot be written and, with its
// message, when gnuplot is missing or fails: then the script stays.
void draw_plot(const std::string& path, const Plot& plot);

}  // namespace unroll
