// What a file of another kind, mode or name becomes when it is written.
#include "framework/atomic_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "framework/errors.hpp"
#include "tests/scratch.hpp"

using namespace unroll;
namespace fs = std::filesystem;

namespace {

using Folder = test::ScratchFolder;

std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write(const std::string& path, const std::string& text) {
  AtomicFile file(path, "test");
  file.write(text.data(), text.size());
  file.commit();
}

struct stat information(const std::string& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info;
}

// Runs f under this umask.
template <class F>
void with_umask(mode_t mask, F&& f) {
  const mode_t before = ::umask(mask);
  f();
  ::umask(before);
}

}  // namespace

TEST_CASE("a pipe is written to and stays a pipe") {
  const Folder folder;
  const std::string pipe = folder.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  // Nobody reads: an error, and no waiting.
  CHECK_THROWS_WITH(write(pipe, "x"), Catch::Contains(pipe) && Catch::Contains("no reader on the pipe"));
  CHECK(S_ISFIFO(information(pipe).st_mode));

  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  write(pipe, "through the pipe");
  std::array<char, 64> got{};
  const ssize_t size = ::read(reader, got.data(), got.size());
  ::close(reader);
  REQUIRE(size > 0);
  CHECK(std::string(got.data(), static_cast<std::size_t>(size)) == "through the pipe");
  CHECK(S_ISFIFO(information(pipe).st_mode));
  CHECK_NOTHROW(AtomicFile(pipe, "test"));  // asking alone opens nothing
  CHECK(folder.files() == 1);
}

TEST_CASE("what leads to an open pipe is written to") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  write("/proc/self/fd/" + std::to_string(ends[1]), "abc");
  std::array<char, 8> got{};
  CHECK(::read(ends[0], got.data(), got.size()) == 3);
  CHECK(std::string(got.data()) == "abc");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a device is written to and stays a device, and a socket stays one") {
  const Folder folder;
  const std::string socket = folder.file("socket");
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  REQUIRE(socket.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, socket.c_str(), socket.size());
  REQUIRE(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK_THROWS_AS(write(socket, "x"), FileError);
  CHECK(S_ISSOCK(information(socket).st_mode));
  ::close(descriptor);

  // Copies of /dev/null and /dev/full, which not everybody may make.
  const std::string null = folder.file("null"), full = folder.file("full");
  if (::mknod(null.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) return;
  REQUIRE(::mknod(full.c_str(), S_IFCHR | 0600, makedev(1, 7)) == 0);
  if (const int open = ::open(null.c_str(), O_WRONLY); open >= 0) {
    ::close(open);
    write(null, "nothing");
    CHECK_THROWS_WITH(write(full, "x"), Catch::Contains("No space left on device"));
  }  // else devices do not work in this folder
  CHECK(S_ISCHR(information(null).st_mode));
  CHECK(S_ISCHR(information(full).st_mode));
  CHECK(folder.files() == 3);
}

TEST_CASE("behind a symbolic link the target is replaced or made, and the link stays") {
  const Folder folder;
  fs::create_directory(folder.file("sub"));
  fs::create_symlink("sub/target", folder.file("link"));  // relative to its own folder
  fs::create_symlink("link", folder.file("second"));
  write(folder.file("second"), "made");  // nothing is there yet
  CHECK(read_bytes(folder.file("sub/target")) == "made");
  write(folder.file("link"), "replaced");
  CHECK(read_bytes(folder.file("sub/target")) == "replaced");
  fs::create_symlink(folder.file("sub/target"), folder.file("absolute"));
  write(folder.file("absolute"), "again");
  CHECK(read_bytes(folder.file("sub/target")) == "again");
  for (const char* link : {"link", "second", "absolute"}) CHECK(fs::is_symlink(folder.file(link)));

  fs::create_symlink("circle", folder.file("circle"));
  CHECK_THROWS_WITH(write(folder.file("circle"), "x"), Catch::Contains("symbolic links"));
  fs::create_symlink("none/target", folder.file("nowhere"));
  CHECK_THROWS_AS(write(folder.file("nowhere"), "x"), FileError);
  CHECK(folder.files() == 6);
}

TEST_CASE("an old file keeps its mode, and a new one obeys the umask") {
  const Folder folder;
  const std::string path = folder.file("a");
  with_umask(022, [&] { write(path, "new"); });
  CHECK((information(path).st_mode & 07777) == 0644);
  for (const mode_t mode : {0600U, 0640U, 0666U, 0755U}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    with_umask(077, [&] { write(path, "old"); });
    CHECK((information(path).st_mode & 07777) == mode);
  }
  with_umask(077, [&] { write(folder.file("b"), "new"); });
  CHECK((information(folder.file("b")).st_mode & 07777) == 0600);
  if (::geteuid() == 0) {
    REQUIRE(::chown(path.c_str(), 12345, 54321) == 0);
    write(path, "another's");
    CHECK(information(path).st_uid == 12345);
    CHECK(information(path).st_gid == 54321);
  }
}

TEST_CASE("a file that may not be written, a folder and no name are refused before anything is written") {
  const Folder folder;
  const std::string path = folder.file("a");
  write(path, "old");
  REQUIRE(::chmod(path.c_str(), 0444) == 0);
  if (::geteuid() == 0) {  // whom the mode does not stop
    write(path, "new");
    CHECK(read_bytes(path) == "new");
    CHECK((information(path).st_mode & 07777) == 0444);
  } else {
    CHECK_THROWS_WITH(AtomicFile(path, "test"), Catch::Contains("Permission denied"));
    CHECK(read_bytes(path) == "old");
  }
  CHECK_THROWS_WITH(AtomicFile(folder.path().string(), "test"),
                    "[test] " + folder.path().string() + ": cannot write the file: Is a directory");
  CHECK_THROWS_AS(AtomicFile(folder.path().string() + "/", "test"), FileError);
  CHECK_THROWS_AS(AtomicFile("", "test"), FileError);
  CHECK_THROWS_AS(AtomicFile(folder.file("new") + "/", "test"), FileError);
  CHECK_THROWS_AS(AtomicFile(path + "/b", "test"), FileError);
  CHECK_THROWS_AS(AtomicFile(folder.file(std::string("b\0c", 3)), "test"), FileError);
  CHECK_THROWS_WITH(AtomicFile(folder.file(std::string(256, 'x')), "test"), Catch::Contains("name too long"));
  CHECK_THROWS_WITH(AtomicFile(folder.file("none\x1b[2J/a"), "test"), !Catch::Contains("\x1b"));
  CHECK(folder.files() == 1);
}

TEST_CASE("a file that another takes for a leftover while it is made is written all the same") {
  const Folder folder;
  std::atomic<bool> done = false;
  std::thread cleaner([&] {  // takes every unlocked file away, as a trainer does that begins
    while (!done) {
      for (const auto& entry : fs::directory_iterator(folder.path())) {
        if (entry.path().extension() != ".tmp") continue;
        const int file = ::open(entry.path().c_str(), O_RDWR | O_CLOEXEC);
        if (file < 0) continue;
        if (::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
        ::close(file);
      }
    }
  });
  const std::string path = folder.file("saved");
  std::string failure;
  try {
    for (int i = 0; i < 500; ++i) write(path, std::to_string(i));
  } catch (const FileError& error) {
    failure = error.what();
  }
  done = true;
  cleaner.join();
  CHECK(failure.empty());
  CHECK(read_bytes(path) == "499");
}

TEST_CASE("a file may have the longest name there is") {
  const Folder folder;
  std::string umlauts;
  for (int i = 0; i < 127; ++i) umlauts += "ü";
  for (const std::string& name : {std::string(255, 'n'), umlauts}) {
    write(folder.file(name), "text");
    CHECK(read_bytes(folder.file(name)) == "text");
  }
  CHECK(folder.files() == 2);
}

TEST_CASE("the name while writing begins as promised, and is none that TensorBoard would read") {
  CHECK(detail::temporary_stem("model.npz") == "model.npz");
  CHECK(detail::temporary_stem(std::string(300, 'n')) == std::string(200, 'n'));
  const Folder folder;
  for (const std::string name : {"model.npz", "events.out.tfevents.17.0.unroll"}) {
    const AtomicFile file(folder.file(name), "test");
    REQUIRE(folder.files() == 1);
    const std::string temporary = fs::directory_iterator(folder.path())->path().filename().string();
    CHECK_THAT(temporary,
               Catch::StartsWith(detail::temporary_stem(name) + "." + std::to_string(::getpid())) &&
                   Catch::EndsWith(".tmp") && !Catch::Contains("tfevents"));
  }
  CHECK(folder.files() == 0);
}
