// What keeps the source tree in order: which folder may include which, light public headers, files of one
// concept.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = UNROLL_SOURCE_DIR;

std::vector<fs::path> sources(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
    const auto extension = entry.path().extension();
    if (extension == ".hpp" || extension == ".cpp") files.push_back(entry.path());
  }
  return files;
}

std::vector<std::string> includes(const fs::path& file) {
  static const std::regex pattern(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::vector<std::string> result;
  std::ifstream in(file);
  std::smatch match;
  for (std::string line; std::getline(in, line);) {
    if (std::regex_search(line, match, pattern)) result.push_back(match[1]);
  }
  return result;
}

}  // namespace

TEST_CASE("the folders include each other in one direction only") {
  const std::map<std::string, std::set<std::string>> allowed{
      {"framework", {"framework"}},
      {"layers", {"framework", "layers"}},
      {"optim", {"framework", "optim"}},
      {"training", {"framework", "layers", "optim", "training"}},
      {"deploy", {"framework", "layers", "deploy"}},
      {"examples", {"framework", "layers", "optim", "training", "deploy", "examples"}},
  };
  for (const auto& [folder, targets] : allowed) {
    const auto files = sources(folder);
    REQUIRE(files.size() > 2);
    for (const auto& file : files) {
      for (const auto& include : includes(file)) {
        const std::string top = include.substr(0, include.find('/'));
        if (!allowed.contains(top)) continue;
        INFO(file << " includes " << include);
        CHECK(targets.contains(top));
      }
    }
  }
}

TEST_CASE("inside of layers, kernels and cells are on top of what runs a sequence") {
  for (const auto& file : sources("layers/recurrent")) {
    for (const auto& include : includes(file)) {
      INFO(file << " includes " << include);
      CHECK_FALSE(include.starts_with("layers/kernels/"));
      CHECK_FALSE(include.starts_with("layers/losses"));
    }
  }
}

TEST_CASE("what is particular to a cell stands in its own files") {
  const std::regex cell(R"(\b(Rnn|Lstm|Gru|Mgu)(Cell|Options|State|Unit)?\b)");
  const std::set<std::string> own{"rnn", "lstm", "gru", "mgu"};
  for (const std::string folder : {"layers/recurrent", "layers/kernels"}) {
    for (const auto& file : sources(folder)) {
      if (own.contains(file.stem())) continue;
      std::ifstream in(file);
      for (std::string line; std::getline(in, line);) {
        INFO(file << ": " << line);
        CHECK_FALSE(std::regex_search(line, cell));
      }
    }
  }
}

TEST_CASE("a file of layers is at most six includes away from the last one below it") {
  std::map<std::string, std::size_t> known;
  const std::function<std::size_t(const std::string&)> depth = [&](const std::string& file) {
    if (const auto at = known.find(file); at != known.end()) return at->second;
    std::size_t deepest = 0;
    for (const auto& include : includes(kRoot / file)) {
      if (include.starts_with("layers/")) deepest = std::max(deepest, 1 + depth(include));
    }
    return known[file] = deepest;
  };
  for (const auto& file : sources("layers")) {
    INFO(file);
    CHECK(depth(fs::relative(file, kRoot)) <= 6);
  }
}

TEST_CASE("every line of code that a derivation quotes stands in its kernel") {
  const auto lines_of = [](const fs::path& file) {
    std::vector<std::string> lines;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  };
  for (const std::string cell : {"rnn", "lstm", "gru", "mgu"}) {
    const auto kernel = lines_of(kRoot / "layers/kernels" / (cell + ".hpp"));
    const std::set<std::string> stands(kernel.begin(), kernel.end());
    bool quoting = false;
    std::size_t quoted = 0;
    for (const auto& line : lines_of(kRoot / "layers" / (cell + ".md"))) {
      if (line.starts_with("```")) {
        quoting = line == "```cpp";
      } else if (quoting) {
        ++quoted;
        INFO(cell << ".md: " << line);
        CHECK(stands.contains(line));
      }
    }
    CHECK(quoted > 3);
  }
}

TEST_CASE("numbers are read from text in one place") {
  for (const std::string folder : {"framework", "layers", "optim", "training", "deploy", "examples"}) {
    for (const auto& file : sources(folder)) {
      if (file.filename() == "number_text.hpp") continue;
      std::ifstream in(file);
      for (std::string line; std::getline(in, line);) {
        INFO(file << ": " << line);
        CHECK(line.find("from_chars(") == std::string::npos);
      }
    }
  }
}

TEST_CASE("public headers are light and reach no kernel") {
  // What a user's file must not pay for, and what an installed copy does not have: the headers that are
  // installed are those that the entry headers reach (cmake/UnrollInstall.cmake).
  const std::regex heavy(
      R"(^(fmt/|nlohmann/|xsimd/|cblas|xtensor-blas/|google/|onnx/onnx|zip\.h|zlib|utf8|iostream|regex|filesystem|xtensor/x(?!array\.hpp)))");
  std::set<std::string> reached;
  std::vector<std::string> next{"unroll.hpp", "training/training.hpp", "training/onnx/onnx.hpp",
                                "training/tensorboard/tensorboard_log.hpp", "deploy/export_c.hpp"};
  for (const auto& entry : next) REQUIRE(fs::exists(kRoot / entry));
  while (!next.empty()) {
    const std::string header = next.back();
    next.pop_back();
    if (!reached.insert(header).second) continue;
    for (const auto& include : includes(kRoot / header)) {
      INFO(header << " includes " << include);
      CHECK_FALSE(std::regex_search(include, heavy));
      CHECK(include.find("kernels/") == std::string::npos);
      if (fs::exists(kRoot / include)) next.push_back(include);
    }
  }
  CHECK(reached.size() > 60);
}

TEST_CASE("every file holds one concept and is at most 400 lines long") {
  for (const std::string folder :
       {"framework", "layers", "optim", "training", "deploy", "examples", "tests"}) {
    for (const auto& file : sources(folder)) {
      std::ifstream in(file);
      std::size_t lines = 0;
      for (std::string line; std::getline(in, line);) ++lines;
      INFO(file);
      CHECK(lines <= 400);
    }
  }
}
