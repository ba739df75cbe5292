#include "training/logs/plot.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/run_files.hpp"

extern char** environ;

namespace unroll {
namespace {

// --- the program that draws

struct GnuplotResult {
  bool found;           // on the PATH
  int status;           // of its exit, 0 when all went well
  std::string message;  // what it said on stderr, at most some lines
  std::string output;   // what it wrote on stdout
};

constexpr std::size_t kLongestMessage = 2000;

// Closed at the end.
struct Descriptor {
  int number = -1;
  Descriptor() = default;
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void close() {
    if (number >= 0) ::close(std::exchange(number, -1));
  }
};

// What there is to read, of which no more than `most` bytes are kept.
std::string read_all(int descriptor, std::size_t most) {
  std::string text;
  char block[1 << 14];
  for (;;) {
    const ssize_t count = ::read(descriptor, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(block, std::min(static_cast<std::size_t>(count), most - text.size()));
  }
  return text;
}

// Runs gnuplot with these arguments, and without a terminal: Ctrl-C reaches the caller, not the drawing.
GnuplotResult run_gnuplot(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "gnuplot");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);

  // A file in memory, which takes a picture of any size while the messages are read.
  Descriptor output, from, to;
  output.number = ::memfd_create("gnuplot", MFD_CLOEXEC);
  int ends[2];
  if (output.number < 0 || ::pipe2(ends, O_CLOEXEC) != 0) return {true, -1, std::strerror(errno), {}};
  from.number = ends[0];
  to.number = ends[1];
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output.number, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, to.number, STDERR_FILENO);
  // A process group of its own, to which the terminal's Ctrl-C does not go.
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "gnuplot", &actions, &attributes, pointers.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  to.close();
  if (error != 0) return {error != ENOENT, -1, std::strerror(error), {}};
  const std::string message = read_all(from.number, kLongestMessage);

  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return {true, -1, std::strerror(errno), {}};
  }
  if (!WIFEXITED(status)) return {true, 128 + WTERMSIG(status), message, {}};
  ::lseek(output.number, 0, SEEK_SET);
  return {true, WEXITSTATUS(status), message, read_all(output.number, std::string().max_size())};
}

// --- what it is given

constexpr const char* kMissing = "expected gnuplot on the PATH, got none (Debian: gnuplot-nox)";
// Okabe and Ito's colours, without yellow, which is faint on white.
constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                   "#56b4e9", "#e69f00", "#555555", "#000000"};
constexpr int kTitleHeight = 40;
constexpr double kLargestNumber = 1e300;  // gnuplot takes what is a little larger for undefined
constexpr int kSmallest = 100, kLargest = 20000;

bool is_svg(const std::string& path) { return path.ends_with(".svg"); }

void require_picture_name(const std::string& path) {
  if (!path.ends_with(".png") && !is_svg(path)) {
    throw ArgumentError(fmt::format("[draw_plot] {}: expected a name that ends in .png or .svg", path));
  }
}

// "text" for gnuplot. In octal what means something between such quotes, where a backquote runs a program;
// between single ones gnuplot 5.4 takes no text that begins with a quote.
std::string literal(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      result += ' ';
    } else if (c == '"' || c == '\\' || c == '`') {
      result += fmt::format("\\{:03o}", c);
    } else {
      result += c;
    }
  }
  return result + "\"";
}

// Text that gnuplot's enhanced mode shows as it is.
std::string label(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (std::strchr("_^@&~{}\\", c) != nullptr) result += '\\';
    result += c;
  }
  return literal(result);
}

std::string block_name(std::size_t panel, std::size_t curve) {
  return fmt::format("$panel{}_curve{}", panel + 1, curve + 1);
}

bool drawable(double x, double y, bool log_y) {
  const auto is_number = [](double value) { return std::abs(value) <= kLargestNumber; };
  return is_number(x) && is_number(y) && (!log_y || y > 0.0);
}

// Lines "x y", a blank one where the curve has a gap. Empty when there is nothing to draw.
std::string data_lines(const PlotCurve& curve, bool log_y) {
  std::string text;
  bool gap = false;
  for (std::size_t i = 0; i < curve.y.size(); ++i) {
    const double x = curve.x[i], y = curve.y[i];
    if (!drawable(x, y, log_y)) {
      gap = true;
      continue;
    }
    if (gap && !text.empty()) text += "\n";
    gap = false;
    text += fmt::format("{} {}\n", x, y);
  }
  return text;
}

std::string key_entry(const std::string& text) { return text.empty() ? "notitle" : "title " + label(text); }

std::string panel_script(const PlotPanel& panel, std::size_t index) {
  std::string data, commands;
  std::vector<std::string> plots;
  for (std::size_t i = 0; i < panel.curves.size(); ++i) {
    const PlotCurve& curve = panel.curves[i];
    const std::string lines = data_lines(curve, panel.log_y);
    if (lines.empty()) continue;
    const std::string name = block_name(index, i);
    data += fmt::format("{} << END\n{}END\n", name, lines);
    // A line of one point is nothing to see.
    const bool dots = curve.points || std::count(lines.begin(), lines.end(), '\n') == 1;
    plots.push_back(
        fmt::format("{} with {} lw 2 lc rgb {} {}", name, dots ? "linespoints pt 7 ps 0.5" : "lines",
                    literal(curve.color.empty() ? plot_color(i) : curve.color), key_entry(curve.label)));
  }
  for (std::size_t i = 0; i < panel.marks.size(); ++i) {
    const PlotMark& mark = panel.marks[i];
    if (!drawable(mark.x, mark.y, panel.log_y)) continue;
    const std::string name = fmt::format("$panel{}_mark{}", index + 1, i + 1);
    data += fmt::format("{} << END\n{} {}\nEND\n", name, mark.x, mark.y);
    plots.push_back(
        fmt::format("{} with points pt 6 ps 2 lw 2 lc rgb '#c00000' {}", name, key_entry(mark.label)));
  }
  commands += fmt::format("set title {}\nset xlabel {}\nset ylabel {}\n", label(panel.title),
                          label(panel.x_label), label(panel.y_label));
  commands += panel.log_y ? "set logscale y\n" : "unset logscale y\n";
  commands += "unset arrow\n";
  for (const double x : panel.x_lines) {
    commands += fmt::format(
        "set arrow from first {0}, graph 0 to first {0}, graph 1 nohead back lc rgb '#aaaaaa'\n", x);
  }
  if (panel.x_range) {
    commands += fmt::format("set xrange [{}:{}]\n", panel.x_range->first, panel.x_range->second);
  } else {
    commands += "set xrange [*:*]\n";
  }
  if (plots.empty()) {
    // An empty frame: gnuplot draws none without a function and ranges.
    if (!panel.x_range) commands += "set xrange [0:1]\n";
    return data + commands + "set yrange [0.1:1]\nplot NaN notitle\nset yrange [*:*]\n";
  }
  commands += "plot ";
  for (std::size_t i = 0; i < plots.size(); ++i) commands += (i == 0 ? "" : ", \\\n  ") + plots[i];
  return data + commands + "\n";
}

std::string plot_script(const std::string& path, const Plot& plot) {
  const auto panels = static_cast<int>(plot.panels.size());
  const bool titled = panels > 1 && !plot.title.empty();
  const int height = panels * plot.panel_height + (titled ? kTitleHeight : 0);
  std::string text = "# Run gnuplot on this file to draw the picture.\n";
  text += fmt::format("if (!exists('picture')) picture = {}\n", literal(path));
  text += "if (strlen(picture)) set output picture\n";  // else to standard output
  text += fmt::format("set terminal {} size {},{} background rgb 'white'\n",
                      is_svg(path) ? "svg" : "pngcairo", plot.width, height);
  text +=
      "set encoding utf8\nset grid lt 1 lc rgb '#e0e0e0'\nset format y '%g'\n"
      "set key outside bottom center horizontal\nset lmargin 11\nset rmargin 4\n";
  if (panels > 1) {
    text += fmt::format("set multiplot layout {},1", panels);
    text += titled ? fmt::format(" title {} font ',14'\n", label(plot.title)) : "\n";
  }
  for (std::size_t i = 0; i < plot.panels.size(); ++i) {
    PlotPanel panel = plot.panels[i];
    if (panels == 1 && panel.title.empty()) panel.title = plot.title;
    text += panel_script(panel, i);
  }
  if (panels > 1) text += "unset multiplot\n";
  return text + "set output\n";
}

void check(const std::string& path, const Plot& plot) {
  require_picture_name(path);
  if (plot.panels.empty()) throw ArgumentError("[draw_plot] plot.panels: expected at least one, got 0");
  const auto in_range = [](double pixels) { return pixels >= kSmallest && pixels <= kLargest; };
  if (!in_range(plot.width) || !in_range(plot.panel_height) ||
      !in_range(static_cast<double>(plot.panel_height) * static_cast<double>(plot.panels.size()))) {
    throw ArgumentError(
        fmt::format("[draw_plot] width and height: expected {}..{} pixels, got {} x {} panels of {}",
                    kSmallest, kLargest, plot.width, plot.panels.size(), plot.panel_height));
  }
  for (const PlotPanel& panel : plot.panels) {
    for (const PlotCurve& curve : panel.curves) {
      if (curve.x.size() != curve.y.size()) {
        throw ArgumentError(fmt::format("[draw_plot] curve '{}': expected as many x as y, got {} and {}",
                                        curve.label, curve.x.size(), curve.y.size()));
      }
    }
  }
}

}  // namespace

const char* plot_color(std::size_t index) noexcept { return kColors[index % std::size(kColors)]; }

void require_plot_path(const std::string& path) {
  require_picture_name(path);
  for (const std::string& file : {path, path + ".gp"}) {
    detail::require_file("draw_plot", file);
    remove_unfinished(file);
  }
}

void require_gnuplot() {
  if (!run_gnuplot({"--version"}).found) throw FileError(fmt::format("[draw_plot] {}", kMissing));
}

void draw_plot(const std::string& path, const Plot& plot) {
  check(path, plot);
  const std::string script = path + ".gp";
  AtomicFile picture(path, "draw_plot");
  detail::require_file("draw_plot", script);
  const std::string text = plot_script(path, plot);
  AtomicFile file(script, "draw_plot");
  file.write(text.data(), text.size());
  file.commit();

  const auto result = run_gnuplot({"-e", "picture = ''", script});
  const auto fail = [&](const std::string& what) {
    throw FileError(fmt::format("[draw_plot] {}: {}; data and script are in {}", path, what, script));
  };
  if (!result.found) fail(kMissing);
  if (result.status != 0 || result.output.empty()) {
    std::string said = result.message;
    std::ranges::replace(said, '\n', ' ');
    fail(
        fmt::format("expected a picture, got status {} from gnuplot: {}", result.status, escaped(said, 300)));
  }
  picture.write(result.output.data(), result.output.size());
  picture.commit();
  ::unlink(script.c_str());
}

}  // namespace unroll
