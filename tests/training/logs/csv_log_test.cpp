#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <csignal>
#include <limits>

#include "tests/training/logs/log_values.hpp"
#include "training/logs/csv_log.hpp"

using namespace unroll;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

void log(CsvLog& csv, std::int64_t step, std::vector<NamedScalar> values) {
  csv.scalars(step, step / 10 + 1, values);
}

}  // namespace

TEST_CASE("a CSV log has a column for every name and a row for every call") {
  const ScratchFolder folder;
  const std::string path = folder.path("run.csv");
  CsvLog csv(path);
  log(csv, 1, {{"train/loss", 0.5}, {"lr", 1e-3}});
  log(csv, 12, {{"lr", 2.0}, {"train/loss", -1.25e300}});
  CHECK(file_text(path) == "step,epoch,train/loss,lr\n1,1,0.5,0.001\n12,2,-1.25e+300,2\n");
}

TEST_CASE("a name that appears later widens the CSV log, and a value that is not there is an empty cell") {
  const ScratchFolder folder;
  const std::string path = folder.path("run.csv");
  CsvLog csv(path);
  log(csv, 1, {{"a", 1.0}});
  log(csv, 2, {{"b", 2.0}, {"c", 3.0}});
  log(csv, 3, {});
  log(csv, 4, {{"c", 4.0}, {"a", 5.0}});
  CHECK(file_text(path) == "step,epoch,a,b,c\n1,1,1,,\n2,1,,2,3\n3,1,,,\n4,1,5,,4\n");
}

TEST_CASE("numbers of a CSV log give the same double back") {
  const ScratchFolder folder;
  const std::string path = folder.path("run.csv");
  CsvLog csv(path);
  const std::vector<double> values{0.1,    1.0 / 3.0, std::nextafter(1.0, 2.0),
                                   5e-324, -0.0,      std::numeric_limits<double>::max(),
                                   -kInf,  kInf};
  for (const double value : values) log(csv, 1, {{"x", value}});
  log(csv, 1, {{"x", std::nan("")}});
  std::istringstream in(file_text(path));
  std::string line;
  std::getline(in, line);
  for (const double value : values) {
    std::getline(in, line);
    const double got = std::strtod(line.c_str() + line.rfind(',') + 1, nullptr);
    CAPTURE(line);
    CHECK(got == value);
    CHECK(std::signbit(got) == std::signbit(value));
  }
  std::getline(in, line);
  CHECK(line == "1,1,nan");
}

TEST_CASE("names of a CSV log are quoted as RFC 4180 says, also through a resume") {
  const ScratchFolder folder;
  const std::string path = folder.path("run.csv");
  const std::string header = "step,epoch,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",plain name\n";
  {
    CsvLog csv(path);
    log(csv, 1, {{"a,b", 1.0}, {"say \"hi\"", 2.0}, {"two\nlines", 3.0}, {"plain name", 4.0}});
    CHECK(file_text(path) == header + "1,1,1,2,3,4\n");
  }
  CsvLog csv(path);
  csv.resume(1);
  log(csv, 2, {{"two\nlines", 7.0}});
  CHECK(file_text(path) == header + "1,1,1,2,3,4\n2,1,,,7,\n");
}

TEST_CASE("a resumed CSV log keeps the rows up to the step, mends a torn one and goes on") {
  const ScratchFolder folder;
  const std::string whole = "step,epoch,a,b\n1,1,0.5,\n2,1,0.25,9\n";
  const std::string path = folder.path("run.csv");
  for (const std::string& later :
       std::vector<std::string>{"", "3,1,", "3,1,7,8\n", "3,1,7,8\n4,1,2,2\n5,1,0.12", "3"}) {
    CAPTURE(later);
    folder.write("run.csv", whole + later);
    CsvLog csv(path);
    csv.resume(2);
    CHECK(file_text(path) == whole);
    log(csv, 3, {{"b", 1.0}, {"c", 2.0}});
    CHECK(file_text(path) == "step,epoch,a,b,c\n1,1,0.5,,\n2,1,0.25,9,\n3,1,,1,2\n");
  }
}

TEST_CASE("a CSV log resumed at every step is that of a run that was not stopped") {
  const ScratchFolder folder;
  const auto run = [](CsvLog& csv, int from, int to) {
    for (int step = from; step <= to; ++step) {
      log(csv, step, {{"train/loss", 1.0 / step}});
      if (step % 4 == 0) log(csv, step, {{"valid/loss", 2.0 / step}});
    }
  };
  CsvLog straight(folder.path("straight.csv"));
  run(straight, 1, 20);
  const std::string want = file_text(folder.path("straight.csv"));
  for (int stop = 5; stop <= 20; ++stop) {
    for (int checkpoint = 4; checkpoint <= stop; ++checkpoint) {
      CAPTURE(stop, checkpoint);
      const std::string path = folder.path("stopped.csv");
      {
        CsvLog csv(path);
        run(csv, 1, stop);
      }
      CsvLog csv(path);
      csv.resume(checkpoint);
      run(csv, checkpoint + 1, 20);
      CHECK(file_text(path) == want);
    }
  }
}

TEST_CASE("a CSV log leaves an old file until the first row of a new run, and begins where there is none") {
  const ScratchFolder folder;
  const std::string path = folder.write("run.csv", "something else\n");
  CsvLog csv(path);
  CHECK(file_text(path) == "something else\n");
  log(csv, 1, {{"a", 1.0}});
  CHECK(file_text(path) == "step,epoch,a\n1,1,1\n");

  CsvLog missing(folder.path("missing.csv"));
  missing.resume(40);
  log(missing, 41, {{"a", 1.0}});
  CHECK(file_text(folder.path("missing.csv")) == "step,epoch,a\n41,5,1\n");

  folder.write("torn.csv", "step,epo");
  CsvLog torn(folder.path("torn.csv"));
  torn.resume(1);
  log(torn, 2, {{"a", 1.0}});
  CHECK(file_text(folder.path("torn.csv")) == "step,epoch,a\n2,1,1\n");

  folder.write("quoted.csv", "step,epoch,\"two\nlin");  // torn within a quoted name
  CsvLog quoted(folder.path("quoted.csv"));
  quoted.resume(1);
  log(quoted, 2, {{"a", 1.0}});
  CHECK(file_text(folder.path("quoted.csv")) == "step,epoch,a\n2,1,1\n");
}

TEST_CASE("a CSV log that is resumed on another file names the line and leaves the file") {
  const ScratchFolder folder;
  const struct {
    std::string text, want;
  } cases[] = {{"a,b\n1,2\n", "bad.csv:1: expected a table of this log"},
               {"step\n1\n", "bad.csv:1: expected a table of this log"},
               {"step,epoch,\"a\"b\n", "bad.csv:1: expected quotes"},
               {"step,epoch,a\"b\n", "bad.csv:1: expected quotes"},
               {"step,epoch,a\n1,1,2\n2,1\n", "bad.csv:3: expected 3 fields, got 2"},
               {"step,epoch,\"a\nb\"\n1,1,2\nx,1,2\n", "bad.csv:4: expected a step, got 'x'"},
               {"step,epoch,a\n1,1.5,2\n", "bad.csv:2: expected an epoch, got '1.5'"}};
  for (const auto& c : cases) {
    const std::string path = folder.write("bad.csv", c.text);
    CsvLog csv(path);
    const std::string message = message_of<FileError>([&] { csv.resume(1); });
    CAPTURE(c.text, message);
    CHECK(has(message, "[CsvLog] "));
    CHECK(has(message, c.want));
    CHECK(file_text(path) == c.text);
  }
}

TEST_CASE("a CSV log refuses names it cannot hold, and the file stays") {
  const ScratchFolder folder;
  const std::string path = folder.path("run.csv");
  CsvLog csv(path);
  log(csv, 1, {{"a", 1.0}});
  for (const auto& values : std::vector<std::vector<NamedScalar>>{{{"", 1.0}},
                                                                  {{"step", 1.0}},
                                                                  {{"b", 1.0}, {"epoch", 1.0}},
                                                                  {{"b", 1.0}, {"c", 1.0}, {"b", 1.0}}}) {
    CHECK(has(message_of<ArgumentError>([&] { log(csv, 2, values); }), "[CsvLog.scalars] names: expected"));
  }
  log(csv, 2, {{"a", 2.0}});
  CHECK(file_text(path) == "step,epoch,a\n1,1,1\n2,1,2\n");
}

TEST_CASE("a CSV log that cannot be written says so") {
  const ScratchFolder folder;
  const std::string file = folder.write("file", "");
  for (const std::string& path : {folder.path("no/run.csv"), file + "/run.csv", folder.path("")}) {
    const std::string message = message_of<FileError>([&] { CsvLog csv(path); });
    CHECK(has(message, "[CsvLog] " + path + ": cannot write the file: "));
  }
  CsvLog full("/dev/full");
  CHECK(has(message_of<FileError>([&] { log(full, 1, {{"a", 1.0}}); }), "No space left"));
  // A device's contents cannot be replaced: a wider table does not fit.
  CsvLog null("/dev/null");
  null.resume(0);
  log(null, 1, {{"a", 1.0}});
  log(null, 2, {{"a", 1.0}});
  CHECK(has(message_of<FileError>([&] {
              log(null, 3, {{"b", 1.0}});
            }),
            "/dev/null: expected a regular file"));
  CHECK_NOTHROW(null.flush());
}

TEST_CASE("a row that does not fit on the disk leaves no half of it") {
  const ScratchFolder folder;
  const std::string path = folder.path("run.csv");
  CsvLog csv(path);
  log(csv, 1, {{"a", 1.0}});
  const std::string before = file_text(path);
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{before.size() + 3, old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string row = message_of<FileError>([&] { log(csv, 2, {{"a", 2.0}}); });
  const std::string wider = message_of<FileError>([&] { log(csv, 2, {{"b", 2.0}}); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK(has(row, "cannot write the file: File too large"));
  CHECK(has(wider, "cannot write the file: File too large"));
  CHECK(file_text(path) == before);
  CHECK(std::distance(std::filesystem::directory_iterator(std::filesystem::path(path).parent_path()), {}) ==
        1);
  log(csv, 2, {{"a", 2.0}});
  CHECK(file_text(path) == before + "2,1,2\n");
}

TEST_CASE("a CSV log behind a symbolic link is written where the link leads") {
  const ScratchFolder folder;
  std::filesystem::create_symlink(folder.path("real.csv"), folder.path("link.csv"));
  CsvLog csv(folder.path("link.csv"));
  log(csv, 1, {{"a", 1.0}});
  log(csv, 2, {{"b", 1.0}});
  CHECK(file_text(folder.path("real.csv")) == "step,epoch,a,b\n1,1,1,\n2,1,,1\n");
  CHECK(std::filesystem::is_symlink(folder.path("link.csv")));
}
