#include "examples/support/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace unroll::examples {
namespace {

constexpr std::size_t kWidestBar = 30, kNarrowestBar = 5;
constexpr std::chrono::milliseconds kBetweenDraws(100);

bool is_terminal() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && kind != nullptr && std::strcmp(kind, "dumb") != 0;
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

}  // namespace

Progress::Progress(std::size_t total)
    : total_(total), terminal_(is_terminal()), start_(Clock::now()), last_(start_ - kBetweenDraws) {}

Progress::~Progress() { clear(); }

bool Progress::due(std::size_t done) {
  if (!terminal_) return false;
  const auto now = Clock::now();
  if (drawn_ && done < total_ && now - last_ < kBetweenDraws) return false;
  last_ = now;
  return true;
}

void Progress::update(std::size_t done, const std::string& label, const std::string& note) {
  if (!due(done)) return;
  const double seconds = std::chrono::duration<double>(last_ - start_).count();
  std::fflush(stdout);
  fmt::print(stderr, "\r\033[K{}", line(done, total_, seconds, terminal_width(), label, note));
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::update(std::size_t done, const std::string& label, double loss) {
  if (terminal_) update(done, label, fmt::format("loss {:.4f}", loss));
}

void Progress::clear() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn_ = false;
}

std::string Progress::line(std::size_t done, std::size_t total, double seconds, std::size_t width,
                           const std::string& label, const std::string& note) {
  done = std::min(done, total);
  const double share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const std::string left = done == 0 ? "" : fmt::format("  {} left", clock(seconds * (1.0 - share) / share));
  std::string text = fmt::format("{} {:3.0f}%", label, 100.0 * share);
  const std::string tail = fmt::format("  {}{}", note, left);
  // The last column stays free: writing to it would wrap the line.
  const std::size_t taken = text.size() + tail.size() + 4;
  if (width > taken + kNarrowestBar) {
    const std::size_t cells = std::min(kWidestBar, width - taken - 1);
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(cells));
    text += fmt::format(" [{}{}]", std::string(filled, '='), std::string(cells - filled, ' '));
  }
  text += tail;
  if (width > 0 && text.size() >= width) text.resize(width - 1);
  return text;
}

}  // namespace unroll::examples
