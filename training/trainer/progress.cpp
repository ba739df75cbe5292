#include "training/trainer/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace unroll {
namespace {

constexpr std::size_t kWidestBar = 30, kNarrowestBar = 5;
constexpr std::chrono::milliseconds kBetweenDraws(100);

bool is_terminal() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && kind != nullptr && std::strcmp(kind, "dumb") != 0;
}

// Where nobody reads it, the terminal closed or the pipe broken, a training goes on without.
void write(const std::string& text) {
  std::fflush(stdout);
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

// 754 -> "12:34", 4000 -> "1:06:40"
std::string clock(double seconds) {
  const auto s = static_cast<long>(std::min(seconds + 0.5, 359999.0));
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

// "812/s", "3.5/s", and for slow steps "4.2 s each"
std::string speed(double rate) {
  if (rate >= 10.0) return fmt::format("{:.0f}/s", rate);
  if (rate >= 1.0) return fmt::format("{:.1f}/s", rate);
  return fmt::format("{:.1f} s each", 1.0 / rate);
}

double share_of(const Progress::Line& line) {
  if (line.total == 0) return 1.0;
  return static_cast<double>(std::min(line.done, line.total)) / static_cast<double>(line.total);
}

std::string head_of(const Progress::Line& line) {
  return fmt::format("{} {:3.0f}%", line.label, 100.0 * share_of(line));
}

// Note, rate and time left.
std::string tail_of(const Progress::Line& line) {
  std::string tail = "  " + line.note;
  if (!(line.rate > 0.0)) return tail;
  const auto left = static_cast<double>(line.total - std::min(line.done, line.total));
  return tail + fmt::format("  {}  {} left", speed(line.rate), clock(left / line.rate));
}

}  // namespace

Progress::Progress(std::size_t total, const Options& options)
    : total_(total),
      options_(options),
      terminal_(options.enabled && is_terminal()),
      start_(Clock::now()),
      last_(terminal_ ? start_ - kBetweenDraws : start_) {}

Progress::~Progress() { clear(); }

bool Progress::due(std::size_t done) {
  const auto now = Clock::now();
  if (terminal_) {
    if (drawn_ && done < total_ && now - last_ < kBetweenDraws) return false;
  } else {
    const std::chrono::duration<double> since = now - last_;
    if (!options_.enabled || options_.seconds_between_lines <= 0.0 ||
        since.count() < options_.seconds_between_lines) {
      return false;
    }
  }
  last_ = now;
  return true;
}

double Progress::rate(std::size_t done) const {
  const double seconds = std::chrono::duration<double>(last_ - start_).count();
  if (done <= options_.done || seconds <= 0.0) return 0.0;
  return static_cast<double>(done - options_.done) / seconds;
}

void Progress::update(std::size_t done, const std::string& label, const std::string& note) {
  if (!due(done)) return;
  const Line now{done, total_, rate(done), label, note};
  if (terminal_) {
    write("\r\033[K" + line(now, terminal_width()));
    drawn_ = true;
  } else {
    write(plain_line(now) + "\n");
  }
}

void Progress::update(std::size_t done, const std::string& label, double loss) {
  if (!options_.enabled || (!terminal_ && options_.seconds_between_lines <= 0.0)) return;
  update(done, label, fmt::format("loss {:.4f}", loss));
}

void Progress::clear() {
  if (!drawn_) return;
  write("\r\033[K");
  drawn_ = false;
}

void Progress::print(const std::string& text) {
  if (!options_.enabled) return;
  clear();
  write(text + "\n");
  last_ = Clock::now();
}

std::string Progress::line(const Line& line, std::size_t width) {
  std::string text = head_of(line);
  const std::string tail = tail_of(line);
  // The last column stays free: writing to it would wrap the line.
  const std::size_t taken = text.size() + tail.size() + 4;
  if (width > taken + kNarrowestBar) {
    const std::size_t cells = std::min(kWidestBar, width - taken - 1);
    const auto filled = static_cast<std::size_t>(share_of(line) * static_cast<double>(cells));
    text += fmt::format(" [{}{}]", std::string(filled, '='), std::string(cells - filled, ' '));
  }
  text += tail;
  if (width > 0 && text.size() >= width) text.resize(width - 1);
  return text;
}

std::string Progress::plain_line(const Line& line) { return head_of(line) + tail_of(line); }

}  // namespace unroll
