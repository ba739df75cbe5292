#include "examples/next_value/report.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "framework/errors.hpp"

extern char** environ;

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

// 'text' for gnuplot, where a quote is doubled.
std::string gnuplot_text(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "''" : std::string(1, c);
  return result + "'";
}

// Text that gnuplot's enhanced mode shows as it is.
std::string gnuplot_label(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (std::strchr("_^@&~{}\\", c) != nullptr) result += '\\';
    result += c;
  }
  return gnuplot_text(result);
}

// A named block of "time value" lines.
std::string data_block(const std::string& name, const Series& series, std::size_t first,
                       const std::vector<double>& values) {
  std::string text = fmt::format("${} << END\n", name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isnan(values[i])) text += fmt::format("{:.6f} {:.9g}\n", series.time(first + i), values[i]);
  }
  return text + "END\n";
}

std::string plot_script(const std::string& path, const std::string& cell, const Series& series,
                        const Outcome& outcome) {
  // The scored steps, and half as many before them.
  const std::size_t scored = series.tests.front().first;
  const std::size_t before = std::min(scored, (series.size() - scored) / 2);
  const std::size_t first = scored - before;
  const auto tail = [&](const std::vector<double>& values) {
    return std::vector<double>(values.begin() + static_cast<std::ptrdiff_t>(first), values.end());
  };
  std::vector<double> ahead{series.values.back()};
  ahead.insert(ahead.end(), outcome.ahead.begin(), outcome.ahead.end());

  std::string text = data_block("truth", series, first, tail(series.values));
  text += data_block("one_step", series, first, tail(outcome.one_step));
  text += data_block("ahead", series, series.size() - 1, ahead);
  text += path.ends_with(".svg") ? "set terminal svg size 1100,450 background 'white'\n"
                                 : "set terminal pngcairo size 1100,450\n";
  text += fmt::format("set output {}\n", gnuplot_text(path));
  text +=
      fmt::format("set title {}\n", gnuplot_label(fmt::format("{}: {} against truth", series.name, cell)));
  text += "set key outside bottom center horizontal\nset grid\n";
  text += fmt::format("set xrange [{:.6f}:{:.6f}]\n", series.time(first),
                      series.time(series.size() - 1 + outcome.ahead.size()));
  const auto mark = [&](std::size_t step) {
    return fmt::format("set arrow from {0:.6f}, graph 0 to {0:.6f}, graph 1 nohead lc 'gray'\n",
                       series.time(step));
  };
  if (before > 0) text += mark(scored);
  text += mark(series.size() - 1);
  text += "plot $truth with lines lw 2 lc 'black' title 'truth', \\\n";
  text += "  $one_step with lines lw 2 lc rgb '#d95f02' title 'one step ahead', \\\n";
  text += "  $ahead with linespoints lw 2 pt 7 ps 0.4 lc rgb '#1b78be' title 'beyond the end'\n";
  return text;
}

// Runs gnuplot on a script, without its chatter; its exit status, 127 when there is none.
int run_gnuplot(const std::string& script) {
  std::string program = "gnuplot", argument = script;
  char* arguments[] = {program.data(), argument.data(), nullptr};
  posix_spawn_file_actions_t actions;
  if (::posix_spawn_file_actions_init(&actions) != 0) return 1;
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) return 127;
  int status = 0;
  if (error != 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
  return WEXITSTATUS(status);
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

void require_plot_path(const std::string& path) {
  if (!path.ends_with(".png") && !path.ends_with(".svg")) {
    throw FileError(fmt::format("{}: want a picture called .png or .svg", path));
  }
  require_writable_path(path);
  require_writable_path(path + ".gp");
}

void write_plot(const std::string& path, const std::string& cell, const Series& series,
                const Outcome& outcome) {
  const std::string script = path + ".gp";
  errno = 0;
  OutputFile file(script);
  file.write(plot_script(path, cell, series, outcome));
  file.close();
  const int status = run_gnuplot(script);
  if (status == 127) {
    throw FileError(
        fmt::format("{}: want gnuplot to draw it, got none on the PATH (Debian's gnuplot-nox); data and "
                    "script are in {}",
                    path, script));
  }
  if (status != 0) {
    throw FileError(fmt::format("{}: want a picture, got status {} from gnuplot; data and script are in {}",
                                path, status, script));
  }
  std::filesystem::remove(script);
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
