// Runs an example program as a user does.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace unroll::examples {

// A folder that goes away with the test.
class ScratchFolder {
 public:
  ScratchFolder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("unroll_example_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directory(path_);
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  // Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

struct ProgramResult {
  int status;
  std::string out, err;
  std::ptrdiff_t error_lines() const { return std::count(err.begin(), err.end(), '\n'); }
};

// arguments as a shell reads them; before: "VARIABLE=value" for the program's environment.
// after: what the shell does then; $err is the file that takes the standard error.
inline ProgramResult run_example(const std::string& name, const std::string& arguments,
                                 const std::string& before = "", const std::string& after = "") {
  const ScratchFolder folder;
  // Redirections in the arguments come last and win.
  const std::string command = "err='" + folder.path("err") + "'; " + before + " < /dev/null > '" +
                              folder.path("out") + "' 2> \"$err\" '" UNROLL_BINARY_DIR "/examples/" + name +
                              "' " + arguments + after;
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder.path("out")),
          read_text(folder.path("err"))};
}

// The same, and Ctrl-C as soon as the program has written `text` to its standard error. It comes once, since
// a second one would end the program at once; and by what the program says, not by the clock, since machines
// differ in speed.
inline ProgramResult interrupt_example(const std::string& name, const std::string& arguments,
                                       const std::string& text) {
  return run_example(name, arguments, "",
                     " & until grep -q '" + text +
                         "' \"$err\" 2> /dev/null || ! kill -0 $! 2> /dev/null; do sleep 0.01; done; kill "
                         "-INT $! 2> /dev/null; "
                         "wait $!");
}

}  // namespace unroll::examples
