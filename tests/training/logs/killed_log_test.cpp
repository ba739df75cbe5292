// A program that is killed while it writes leaves a log that the next one can resume.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/training/logs/log_values.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/jsonl_log.hpp"

using namespace unroll;

namespace {

// Runs body in a process of its own until it has written something, and kills it at some moment after that.
void run_and_kill(const std::string& path, std::mt19937& random, const std::function<void()>& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    body();
    ::_exit(0);
  }
  std::error_code error;
  while (std::filesystem::file_size(path, error) == 0 || error) ::usleep(20);
  ::usleep(std::uniform_int_distribution<useconds_t>(0, 3000)(random));
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
}

// A name is new at every 50th step, so that the CSV table is often being widened.
void write_forever(Log& log) {
  for (std::int64_t step = 1;; ++step) {
    log.scalars(step, 1,
                std::vector<NamedScalar>{{"a", 0.5 * static_cast<double>(step)},
                                         {"b" + std::to_string(step / 50), 1.0}});
  }
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
    run_and_kill(path, random, [&] {
      CsvLog log(path);
      write_forever(log);
    });
    const auto before = lines_of(path);
    const auto rows = static_cast<std::int64_t>(before.size()) - 1;
    CsvLog log(path);
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
    run_and_kill(path, random, [&] {
      JsonLinesLog log(path);
      write_forever(log);
    });
    const auto rows = static_cast<std::int64_t>(lines_of(path).size());
    JsonLinesLog log(path);
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
