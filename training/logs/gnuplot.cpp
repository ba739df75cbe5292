#include "training/logs/gnuplot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;

namespace unroll::detail {
namespace {

constexpr std::size_t kLongestMessage = 2000;

// What the child says, until it has closed its end.
std::string read_all(int descriptor) {
  std::string text;
  char block[4096];
  for (;;) {
    const ssize_t count = ::read(descriptor, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    if (text.size() < kLongestMessage) text.append(block, static_cast<std::size_t>(count));
  }
  if (text.size() > kLongestMessage) text.resize(kLongestMessage);
  return text;
}

}  // namespace

GnuplotResult run_gnuplot(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "gnuplot");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {true, -1, std::strerror(errno)};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  // A process group of its own, to which the terminal's Ctrl-C does not go.
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "gnuplot", &actions, &attributes, pointers.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  const std::string message = error == 0 ? read_all(ends[0]) : std::strerror(error);
  ::close(ends[0]);
  if (error != 0) return {error != ENOENT, -1, message};

  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return {true, -1, std::strerror(errno)};
  }
  return {true, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), message};
}

}  // namespace unroll::detail
