// Pictures of curves, drawn by gnuplot.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace unroll {

// One line of a panel. Where y is not finite, or beyond +-1e300, the line has a gap.
struct PlotCurve {
  std::string label;                   // in the key; empty: not there
  std::vector<double> x = {}, y = {};  // of one size
  std::string color =
      {};               // a name or "#rrggbb"; empty: the next of eight that colour-blind readers tell apart
  bool points = false;  // a dot at every value, too
};

// A ring around one value, with its own line in the key: the best epoch.
struct PlotMark {
  double x, y;
  std::string label;
};

struct PlotPanel {
  std::string title = {}, x_label = {}, y_label = {};
  std::vector<PlotCurve> curves = {};
  std::vector<PlotMark> marks = {};
  std::vector<double> x_lines = {};                       // upright lines, behind the curves
  std::optional<std::pair<double, double>> x_range = {};  // left and right end; else what the curves need
  bool log_y = false;                                     // leaves out what is not positive
};

// Panels below each other, with the title above them.
struct Plot {
  std::string title = {};
  std::vector<PlotPanel> panels = {};
  int width = 1100, panel_height = 450;  // pixels
};

// The colours that curves have by themselves, over and over, "#rrggbb".
const char* plot_color(std::size_t index) noexcept;

// Throws ArgumentError unless path ends in .png or .svg, FileError unless it and path + ".gp" are files that
// can be written, or no files yet. Leaves a file that is there as it is, and no new one.
void require_plot_path(const std::string& path);
// Throws FileError, naming Debian's package, unless there is a gnuplot on the PATH.
void require_gnuplot();

// Writes the picture, a PNG or SVG file by its name's end, as AtomicFile does: in one step, until which the
// old one stays, behind a link to its target, and directly to a device or pipe. The script, which holds the
// data too, is path + ".gp" and is removed once the picture is there. Throws ArgumentError for another name,
// a curve whose x and y differ in size, no panels or a size out of 100 .. 20000 pixels; FileError when a file
// cannot be written and when gnuplot is missing or fails, with what it said: then the script stays.
void draw_plot(const std::string& path, const Plot& plot);

}  // namespace unroll
