// Runs an example program as a user does.
#pragma once

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "tests/scratch.hpp"

namespace unroll::examples {

// A folder that goes away with the test.
class ScratchFolder {
 public:
  std::string path(const std::string& name) const { return folder_.file(name); }
  // Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

 private:
  test::ScratchFolder folder_;
};

inline std::string read_text(const std::string& path) { return test::read_bytes(path); }

struct ProgramResult {
  int status;
  std::string out, err;
  std::ptrdiff_t error_lines() const { return std::count(err.begin(), err.end(), '\n'); }
};

// arguments as a shell reads them; before: "VARIABLE=value" for the program's environment.
inline ProgramResult run_example(const std::string& name, const std::string& arguments,
                                 const std::string& before = "") {
  const ScratchFolder folder;
  // Redirections in the arguments come last and win.
  const std::string command = before + " < /dev/null > '" + folder.path("out") + "' 2> '" +
                              folder.path("err") + "' '" UNROLL_BINARY_DIR "/examples/" + name + "' " +
                              arguments;
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder.path("out")),
          read_text(folder.path("err"))};
}

// What a program answers to a mistake: exit status 1 and one line, "name: .. message ..".
inline void check_refused(const std::string& name, const ProgramResult& run, const std::string& message) {
  INFO(name << " wrote: " << run.err);
  CHECK(run.status == 1);
  CHECK(run.error_lines() == 1);
  CHECK_THAT(run.err, Catch::Matchers::StartsWith(name + ": ") && Catch::Matchers::Contains(message));
}

// run_example, and Ctrl-C as soon as the program has written `text` to its standard error. It comes once,
// since a second one would end the program at once; and by what the program says, not by the clock. That is a
// socket that holds a few writes only, so that the program, however fast, waits there before it has said much
// more.
inline ProgramResult interrupt_example(const std::string& name, const std::string& arguments,
                                       const std::string& text) {
  const ScratchFolder folder;
  const std::string command = "exec '" UNROLL_BINARY_DIR "/examples/" + name + "' < /dev/null > '" +
                              folder.path("out") + "' " + arguments;
  int ends[2] = {};
  const int smallest = 1;
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
      ::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  const pid_t program = ::fork();
  if (program == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string err;
  bool sent = false;
  char bytes[256];
  for (ssize_t count = 0; (count = ::read(ends[0], bytes, sizeof bytes)) > 0;) {
    err.append(bytes, static_cast<std::size_t>(count));
    if (!sent && err.find(text) != std::string::npos) {
      ::kill(program, SIGINT);
      sent = true;
    }
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(program, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder.path("out")), err};
}

}  // namespace unroll::examples
