// A C file compiled and loaded, for the tests of export_c and their measurements.
#pragma once

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace unroll::test {

// Runs a command of the shell. Throws with its output if it fails.
inline std::string run_command(const std::string& command, const std::string& folder) {
  const std::string log = folder + "/command.log";
  const int status = std::system(("(" + command + ") > '" + log + "' 2>&1").c_str());
  std::ifstream file(log);
  std::string output{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (status != 0) throw std::runtime_error(command + "\n" + output);
  return output;
}

inline constexpr const char* kWarnings = " -pedantic -Wall -Wextra -Wconversion -Werror ";

// One state of the model in folder/name.c, which is compiled without any library: a call of one does not
// link.
class CModel {
 public:
  CModel(const std::string& folder, const std::string& name, const std::string& flags = "-O2",
         const std::string& compiler = UNROLL_C_COMPILER) {
    static int models = 0;  // a file that is loaded is not loaded again
    const std::string base = folder + "/" + name, file = fmt::format("{}_{}.so", base, ++models);
    run_command("'" + compiler + "' -std=c99 -nostdlib -Wl,-z,defs -fPIC -shared" + kWarnings + "'" + base +
                    ".c' -o '" + file + "' " + flags,
                folder);
    library_ = {::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL), [](void* library) {
                  if (library != nullptr) ::dlclose(library);
                }};
    if (library_ == nullptr) throw std::runtime_error(::dlerror());
    find("reset", name, reset_);
    find("step", name, step_);
    find("step", name, step_id_);
    find("block", name, block_);
    find("block", name, block_ids_);
    find("selftest", name, selftest_);
    std::ifstream header(base + ".h");
    const std::string text{std::istreambuf_iterator<char>(header), std::istreambuf_iterator<char>()};
    const auto number = [&](const std::string& before) {
      const std::size_t at = text.find(before);
      return at == std::string::npos ? std::size_t{0} : std::stoul(text.substr(at + before.size()));
    };
    state_bytes = number(name + "_state { /* ");
    weight_bytes = number("at a time: ");
    state_.assign(state_bytes / sizeof(float) + kGuard, kUnused);
    reset();
  }

  std::size_t state_bytes = 0, weight_bytes = 0;

  int selftest() const { return selftest_(); }
  void reset() { reset_(state_.data()); }
  void step(const float* x, float* y) { step_(state_.data(), x, y); }
  int step(std::int32_t id, float* y) { return step_id_(state_.data(), id, y); }
  void block(std::size_t n, const float* x, float* y) { block_(state_.data(), n, x, y); }
  int block(std::size_t n, const std::int32_t* ids, float* y) { return block_ids_(state_.data(), n, ids, y); }
  // Whether nothing was written behind the state's end.
  bool is_within() const {
    for (std::size_t i = 0; i < kGuard; ++i)
      if (state_[state_.size() - 1 - i] != kUnused) return false;
    return true;
  }

 private:
  static constexpr std::size_t kGuard = 64;
  static constexpr float kUnused = -7.25F;

  template <class F>
  void find(const char* function, const std::string& name, F*& f) {
    f = reinterpret_cast<F*>(::dlsym(library_.get(), (name + "_" + function).c_str()));
    if (f == nullptr) throw std::runtime_error(::dlerror());
  }

  std::shared_ptr<void> library_;
  std::vector<float> state_;
  void (*reset_)(void*) = nullptr;
  void (*step_)(void*, const float*, float*) = nullptr;
  int (*step_id_)(void*, std::int32_t, float*) = nullptr;
  void (*block_)(void*, std::size_t, const float*, float*) = nullptr;
  int (*block_ids_)(void*, std::size_t, const std::int32_t*, float*) = nullptr;
  int (*selftest_)() = nullptr;
};

}  // namespace unroll::test
