// Files cut and changed at random: what is loaded is what was saved, or FileError is thrown.
#include <catch2/catch.hpp>

#include <cstring>
#include <functional>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "layers/linear.hpp"
#include "tests/little_memory.hpp"
#include "tests/training/models/folder.hpp"
#include "training/models/npy.hpp"
#include "training/models/npz.hpp"
#include "training/models/state_dict.hpp"

using namespace unroll;
using namespace models_test;

namespace {

struct Model {
  Linear<float> a, b;
  using Scalar = float;
  explicit Model(std::uint64_t seed) : Model(Rng(seed)) {}
  static void each(auto& self, auto&& visit) {
    visit("a", self.a);
    visit("b", self.b);
  }

 private:
  explicit Model(Rng rng) : a(2, 3, rng), b(3, 2, rng) {}
};

std::vector<float> elements(const Model& model) {
  std::vector<float> all;
  for (const auto& [name, tensor] : state_dict(model)) {
    all.insert(all.end(), tensor.data(), tensor.data() + tensor.size());
  }
  return all;
}

// Elements of a and b that differ in any bit.
std::size_t different(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], sizeof(float)) != 0;
  return count;
}

enum class Outcome { same, refused, changed };

// Loads bytes into a model; a refused one must be left as it was.
Outcome load(const std::string& path, const std::string& bytes, const std::vector<float>& saved) {
  write_bytes(path, bytes);
  Model model(2);
  const auto before = elements(model);
  try {
    load_model(path, model);
  } catch (const FileError& error) {
    if (different(before, elements(model)) != 0) FAIL("half-loaded: " << error.what());
    if (std::string(error.what()).find(path) == std::string::npos) FAIL("no path in: " << error.what());
    return Outcome::refused;
  }
  switch (different(saved, elements(model))) {
    case 0:
      return Outcome::same;
    case 1:
      return Outcome::changed;
    default:
      FAIL("several elements are others");
  }
  return Outcome::changed;
}

// Every byte with a random change, and some hundred files with several.
void for_each_damage(const std::string& whole,
                     const std::function<void(std::size_t, const std::string&)>& visit) {
  Rng rng(11);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int k = 0; k < 4; ++k) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + rng.below(255)));
      visit(at, bytes);
    }
  }
  for (int k = 0; k < 400; ++k) {
    std::string bytes = whole;
    for (int n = 0; n < 6; ++n)
      bytes[static_cast<std::size_t>(rng.below(static_cast<Index>(bytes.size())))] =
          static_cast<char>(rng.below(256));
    visit(bytes.size(), bytes);
  }
}

}  // namespace

TEST_CASE("a model file cut anywhere is refused") {
  const Folder folder;
  const Model model(1);
  const auto saved = elements(model);
  const LittleMemory limit;
  for (const std::string ending : {".safetensors", ".npz"}) {
    const std::string path = folder.file("model" + ending);
    save_model(path, model, {{"epoch", "3"}});
    const std::string whole = read_bytes(path);
    REQUIRE(load(path, whole, saved) == Outcome::same);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      if (load(path, whole.substr(0, length), saved) != Outcome::refused) FAIL(ending << " of " << length);
    }
    CHECK(load(path, whole + "x", saved) == Outcome::refused);
  }
}

TEST_CASE("a damaged safetensors file gives the same tensors, one other number or an error") {
  const Folder folder;
  const Model model(1);
  const auto saved = elements(model);
  const LittleMemory limit;
  const std::string path = folder.file("model.safetensors");
  save_model(path, model, {{"epoch", "3"}});
  const std::string whole = read_bytes(path);
  const std::size_t numbers = whole.size() - saved.size() * sizeof(float);  // where they begin
  std::size_t refused = 0, same = 0;
  Rng rng(11);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int k = 0; k < 8; ++k) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + rng.below(255)));
      const Outcome outcome = load(path, bytes, saved);
      // The format has no checksum: a changed number is another number. All else is found.
      if (at >= numbers ? outcome != Outcome::changed : outcome == Outcome::changed) FAIL("byte " << at);
      refused += outcome == Outcome::refused;
      same += outcome == Outcome::same;
    }
  }
  CHECK(refused > 1000);
  CHECK(same > 10);  // the text of the metadata
}

TEST_CASE("a damaged npz file gives the same tensors or an error") {
  const Folder folder;
  const Model model(1);
  const auto saved = elements(model);
  const LittleMemory limit;
  const std::string path = folder.file("model.npz");
  for (const bool compress : {false, true}) {
    StateDict<float> state{state_dict(model), {{"epoch", "3"}}};
    save_npz(path, state, {.compress = compress});
    std::size_t refused = 0, same = 0;
    for_each_damage(read_bytes(path), [&](std::size_t at, const std::string& bytes) {
      const Outcome outcome = load(path, bytes, saved);
      if (outcome == Outcome::changed) FAIL("byte " << at);
      refused += outcome == Outcome::refused;
      same += outcome == Outcome::same;
    });
    CHECK(refused > 1000);
    CHECK(same > 10);  // times of day, versions
  }
}

TEST_CASE("a damaged npy file gives an array of its size or an error") {
  const Folder folder;
  const LittleMemory limit;
  const std::string path = folder.file("a.npy");
  save_npy(path, Tensor<std::int32_t>{{1, 2, 3}, {4, 5, 6}});
  const std::string whole = read_bytes(path);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write_bytes(path, whole.substr(0, length));
    CHECK_THROWS_AS(load_npy<std::int32_t>(path), FileError);
  }
  std::size_t refused = 0, read = 0;
  for_each_damage(whole, [&](std::size_t at, const std::string& bytes) {
    write_bytes(path, bytes);
    try {
      if (load_npy<std::int64_t>(path).size() > 24) FAIL("byte " << at);
      ++read;
    } catch (const FileError&) {
      ++refused;
    }
  });
  CHECK(refused > 300);
  CHECK(read > 90);
}
