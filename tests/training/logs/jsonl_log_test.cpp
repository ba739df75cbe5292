#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/training/logs/log_values.hpp"
#include "training/logs/jsonl_log.hpp"

using namespace unroll;
using nlohmann::json;

namespace {

std::vector<json> lines(const std::string& path) {
  std::vector<json> result;
  std::istringstream in(file_text(path));
  for (std::string line; std::getline(in, line);) result.push_back(json::parse(line));
  return result;
}

void log(JsonLinesLog& jsonl, std::int64_t step, const std::vector<NamedScalar>& values) {
  jsonl.scalars(step, 1, values);
}

}  // namespace

TEST_CASE("a JSON lines log has an object for every call, with step, epoch and time") {
  const ScratchFolder folder;
  const std::string path = folder.path("run.jsonl");
  JsonLinesLog jsonl(path);
  const double before = time_in_log();
  jsonl.text(0, "model", "two\nlines \"quoted\" \xc3\xa9");
  const std::vector<NamedScalar> values{{"train/loss", 1.0 / 3.0}, {"lr", 1e-3}};
  jsonl.scalars(1200, 3, values);
  const double after = time_in_log();

  CHECK(has(file_text(path), "\n{\"step\":1200,\"epoch\":3,\"time\":"));
  const auto got = lines(path);
  REQUIRE(got.size() == 2);
  CHECK(got[0].at("step") == 0);
  CHECK(got[0].at("name") == "model");
  CHECK(got[0].at("text") == "two\nlines \"quoted\" \xc3\xa9");
  CHECK(got[1].size() == 5);
  CHECK(got[1].at("train/loss").get<double>() == 1.0 / 3.0);
  CHECK(got[1].at("lr").get<double>() == 1e-3);
  for (const json& line : got) {
    CHECK(line.at("time").get<double>() >= before);
    CHECK(line.at("time").get<double>() <= after);
  }
}

TEST_CASE("a JSON lines log writes what JSON has no number for as a string") {
  const ScratchFolder folder;
  const std::string path = folder.path("run.jsonl");
  JsonLinesLog jsonl(path);
  constexpr double inf = std::numeric_limits<double>::infinity();
  log(jsonl, 1, {{"a", std::nan("")}, {"b", inf}, {"c", -inf}, {"d", std::numeric_limits<double>::max()}});
  const json line = lines(path).at(0);
  CHECK(line.at("a") == "NaN");
  CHECK(line.at("b") == "Infinity");
  CHECK(line.at("c") == "-Infinity");
  CHECK(line.at("d").get<double>() == std::numeric_limits<double>::max());
}

TEST_CASE("a resumed JSON lines log keeps the lines up to the step, mends a torn one and goes on") {
  const ScratchFolder folder;
  const std::string whole =
      "{\"step\":0,\"time\":5,\"name\":\"n\",\"text\":\"t\"}\n{\"step\":2,\"epoch\":1,\"time\":6,\"a\":1}\n";
  const std::string path = folder.path("run.jsonl");
  for (const std::string& later :
       std::vector<std::string>{"", "{\"step\":3,\"a", "{\"step\":3,\"epoch\":1,\"time\":7}\n", "{"}) {
    CAPTURE(later);
    folder.write("run.jsonl", whole + later);
    JsonLinesLog jsonl(path);
    jsonl.resume(2);
    CHECK(file_text(path) == whole);
    log(jsonl, 3, {{"a", 2.0}});
    const std::string text = file_text(path);
    CHECK(text.starts_with(whole + "{\"step\":3,\"epoch\":1,\"time\":"));
    CHECK(lines(path).size() == 3);
  }
}

TEST_CASE(
    "a JSON lines log leaves an old file until the first line of a new run, and begins where there is none") {
  const ScratchFolder folder;
  const std::string path = folder.write("run.jsonl", "something else\n");
  JsonLinesLog jsonl(path);
  CHECK(file_text(path) == "something else\n");
  log(jsonl, 1, {{"a", 1.0}});
  CHECK(lines(path).size() == 1);

  JsonLinesLog missing(folder.path("missing.jsonl"));
  missing.resume(40);
  log(missing, 41, {{"a", 1.0}});
  CHECK(lines(folder.path("missing.jsonl")).at(0).at("step") == 41);
}

TEST_CASE("a JSON lines log that is resumed on another file names the line and leaves the file") {
  const ScratchFolder folder;
  for (const std::string& bad :
       std::vector<std::string>{"step,epoch", "[1]", "{\"epoch\":1}", "{\"step\":1.5}", ""}) {
    const std::string text = "{\"step\":1}\n" + bad + "\n{\"step\":2}\n";
    const std::string path = folder.write("bad.jsonl", text);
    JsonLinesLog jsonl(path);
    const std::string message = message_of<FileError>([&] { jsonl.resume(1); });
    CAPTURE(bad, message);
    CHECK(has(message, "[JsonLinesLog] "));
    CHECK(has(message, "bad.jsonl:2: expected an object with a step"));
    CHECK(file_text(path) == text);
  }
}

TEST_CASE("a JSON lines log takes no step for another one, and lines of any kind in reasonable time") {
  const ScratchFolder folder;
  for (const char* step : {"18446744073709551615", "9223372036854775808"}) {
    const std::string text = std::string("{\"step\":1}\n{\"step\":") + step + "}\n";
    JsonLinesLog jsonl(folder.write("bad.jsonl", text));
    CHECK(has(message_of<FileError>([&] { jsonl.resume(5); }),
              std::string("bad.jsonl:2: step: expected a whole number below 2^63, got ") + step));
    CHECK(file_text(folder.path("bad.jsonl")) == text);
  }
  // Deep, and with very many names.
  std::string deep = "{\"a\":" + std::string(200000, '[') + std::string(200000, ']') + ",\"step\":1}\n";
  for (int k = 0; k < 100000; ++k) deep += (k == 0 ? "{\"" : ",\"") + std::to_string(k) + "\":0";
  deep += ",\"step\":2}\n";
  JsonLinesLog jsonl(folder.write("deep.jsonl", deep + "{\"step\":3}\n"));
  jsonl.resume(2);
  CHECK(file_text(folder.path("deep.jsonl")) == deep);
}

TEST_CASE("a JSON lines log refuses what is not UTF-8 and names of its own") {
  const ScratchFolder folder;
  const std::string path = folder.path("run.jsonl");
  JsonLinesLog jsonl(path);
  log(jsonl, 1, {{"a", 1.0}});
  const std::string before = file_text(path);
  CHECK(has(message_of<ArgumentError>([&] {
              log(jsonl, 2, {{"\xff", 1.0}});
            }),
            "[JsonLinesLog.scalars] names and texts: expected UTF-8"));
  CHECK(has(message_of<ArgumentError>([&] { jsonl.text(2, "a", "\xc3"); }),
            "[JsonLinesLog.text] names and texts: expected UTF-8"));
  for (const char* name : {"", "step", "epoch", "time", "name", "text"}) {
    CHECK(has(message_of<ArgumentError>([&] {
                log(jsonl, 2, {{name, 1.0}});
              }),
              "[JsonLinesLog.scalars] names: expected"));
  }
  CHECK(file_text(path) == before);
}

TEST_CASE("a JSON lines log that cannot be written says so") {
  const ScratchFolder folder;
  CHECK(has(message_of<FileError>([&] { JsonLinesLog jsonl(folder.path("no/run.jsonl")); }),
            "[JsonLinesLog] " + folder.path("no/run.jsonl") + ": cannot write the file: No such file"));
  JsonLinesLog full("/dev/full");
  CHECK(has(message_of<FileError>([&] {
              log(full, 1, {{"a", 1.0}});
            }),
            "/dev/full: cannot write the file: No space left"));
  CHECK(has(message_of<FileError>([&] { full.text(1, "a", "b"); }), "No space left"));
}
