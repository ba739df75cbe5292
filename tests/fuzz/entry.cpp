#include <cxxabi.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz.hpp"
#include "tests/scratch.hpp"

namespace unroll::fuzz {
namespace {

namespace fs = std::filesystem;

const std::string& folder() {
  static const test::ScratchFolder folder;
  static const std::string path = folder.path().string();
  return path;
}

// Lists of what is missing or does not fit are cut; paths and their reasons need some room.
constexpr std::size_t kMostMessage = 2000;

}  // namespace

void finding(const std::string& what) {
  std::fprintf(stderr, "finding: %s\n", what.c_str());
  std::abort();
}

void foreign(const char* what) {
  const std::type_info* type = abi::__cxa_current_exception_type();
  finding(std::string("an exception that is no unroll::Error: ") + (type ? type->name() : "") + ": " + what);
}

void check_message(std::string_view message) {
  if (message.size() > kMostMessage) finding("a message of " + std::to_string(message.size()) + " bytes");
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f) {
      finding("a control byte in a message: " + std::string(message));
    }
  }
}

std::string file(const std::string& name) { return folder() + "/" + name; }

std::string file(const std::string& name, std::string_view bytes) {
  const std::string path = file(name);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) finding("cannot write " + path);
  return path;
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void clear_folder() {
  for (const auto& entry : fs::directory_iterator(folder())) fs::remove_all(entry.path());
}

}  // namespace unroll::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  unroll::fuzz::one_input({reinterpret_cast<const char*>(data), size});
  return 0;
}
