// A program that is killed while it writes leaves a log that the next one can resume.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/training/logs/log_values.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/jsonl_log.hpp"

using namespace unroll;

namespace {

// Writes records in a process of its own and kills it while it writes one of the first 120, when exactly only
// the machine knows. A name is new at every 50th step, so that the CSV table is often being widened. Returns
// how many records it has surely written.
template <class LogType>
std::int64_t write_and_kill(const std::string& path, std::mt19937& random) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(ends[0]);
    LogType log(path);
    for (std::int64_t step = 1;; ++step) {
      log.scalars(step, 1,
                  std::vector<NamedScalar>{{"a", 0.5 * static_cast<double>(step)},
                                           {"b" + std::to_string(step / 50), 1.0}});
      const char byte = 'x';
      if (::write(ends[1], &byte, 1) != 1) ::_exit(1);  // nobody waits any more
    }
  }
  ::close(ends[1]);
  const int records = std::uniform_int_distribution<int>(1, 120)(random);
  std::int64_t written = 0;
  char byte = 0;
  while (written < records && ::read(ends[0], &byte, 1) == 1) ++written;
  ::kill(child, SIGKILL);
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(written == records);
  return written;
}

std::size_t files_in(const ScratchFolder& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.path("")), {}));
}

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::istringstream in(file_text(path));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("a CSV log of a killed program is whole up to its last row, and goes on") {
  std::mt19937 random(3);
  for (int round = 0; round < 25; ++round) {
    const ScratchFolder folder;
    const std::string path = folder.path("run.csv");
    const std::int64_t written = write_and_kill<CsvLog>(path, random);
    const auto before = lines_of(path);
    const auto rows = static_cast<std::int64_t>(before.size()) - 1;
    REQUIRE(rows >= written);
    CsvLog log(path);
    CHECK(files_in(folder) == 1);  // what it had begun to write is gone
    log.resume(rows - 1);
    log.scalars(rows, 1, std::vector<NamedScalar>{{"a", -1.0}});
    const auto after = lines_of(path);
    REQUIRE(static_cast<std::int64_t>(after.size()) == rows + 1);
    for (std::int64_t step = 1; step < rows; ++step) {
      const std::string& row = after[static_cast<std::size_t>(step)];
      REQUIRE(row == before[static_cast<std::size_t>(step)]);
      char want[64];
      std::snprintf(want, sizeof want, "%lld,1,%g,", static_cast<long long>(step),
                    0.5 * static_cast<double>(step));
      REQUIRE(row.starts_with(want));
    }
    REQUIRE(after.back().starts_with(std::to_string(rows) + ",1,-1,"));
  }
}

TEST_CASE("a JSON lines log of a killed program is whole up to its last line, and goes on") {
  std::mt19937 random(4);
  for (int round = 0; round < 25; ++round) {
    const ScratchFolder folder;
    const std::string path = folder.path("run.jsonl");
    const std::int64_t written = write_and_kill<JsonLinesLog>(path, random);
    const auto rows = static_cast<std::int64_t>(lines_of(path).size());
    REQUIRE(rows >= written);
    JsonLinesLog log(path);
    CHECK(files_in(folder) == 1);
    log.resume(rows - 1);
    log.scalars(rows, 1, std::vector<NamedScalar>{{"a", -1.0}});
    const auto after = lines_of(path);
    REQUIRE(static_cast<std::int64_t>(after.size()) == rows);
    for (std::int64_t step = 1; step <= rows; ++step) {
      const auto line = nlohmann::json::parse(after[static_cast<std::size_t>(step - 1)]);
      REQUIRE(line.at("step") == step);
      REQUIRE(line.at("a") == (step == rows ? -1.0 : 0.5 * static_cast<double>(step)));
    }
  }
}

TEST_CASE("a log removes what killed writers have left of it at its start, and nothing else") {
  const ScratchFolder folder;
  for (const std::string name : {"run.csv", "run.jsonl"}) {
    const std::string left = folder.write(name + ".12.3.tmp", "half");
    const std::string other = folder.write("x" + name + ".12.3.tmp", "another's");
    if (name == "run.csv") {
      const CsvLog log(folder.path(name));
    } else {
      const JsonLinesLog log(folder.path(name));
    }
    CHECK_FALSE(std::filesystem::exists(left));
    CHECK(std::filesystem::exists(other));
  }
}
