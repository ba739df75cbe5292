#include "training/logs/gnuplot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

extern char** environ;

namespace unroll::detail {
namespace {

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

}  // namespace

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

}  // namespace unroll::detail
