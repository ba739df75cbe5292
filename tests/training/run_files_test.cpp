// The files of a training: found out at its start if they cannot be written, and written by it alone.
#include "training/run_files.hpp"

#include <sys/stat.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <optional>

#include "framework/atomic_file.hpp"
#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

struct Run {
  Classifier<float> model{1};
  Adam<float> adam{parameters(model), {.lr = 0.02}};
  std::int64_t steps = 0;

  TrainResult fit(TrainOptions options) {
    options.progress = false;
    options.on_step = [this](const StepReport& report) { steps = report.step; };
    Trainer trainer(model, adam, ClassLoss{}, options);
    return trainer.fit(BucketedSource<float>(8, 4, 5));
  }
};

// What fit() says before the first step.
std::string refusal(const TrainOptions& options) {
  Run run;
  std::string message = "no error";
  try {
    run.fit(options);
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(run.steps == 0);
  return message;
}

void touch(const std::string& file) { std::ofstream(file) << "x"; }

}  // namespace

TEST_CASE("a checkpoint or best file that is no file is found out before the first step, and stays") {
  const Folder folder;
  fs::create_directory(folder.file("folder"));
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  const struct {
    std::string path, kind;
  } cases[] = {
      {folder.file("folder"), "a folder"}, {folder.file("pipe"), "a pipe"}, {"/dev/null", "a device"}};
  for (const auto& [path, kind] : cases) {
    CAPTURE(path);
    const std::string want = "[Trainer.fit] " + path + ": expected a file to write, got " + kind;
    CHECK(refusal({.checkpoint = path}) == want);
    CHECK(refusal({.checkpoint = path, .resume = true}) == want);
    CHECK(refusal({.best_file = path}) == want);
  }
  CHECK(fs::is_directory(folder.file("folder")));
  CHECK(fs::is_fifo(folder.file("pipe")));
  CHECK(fs::is_character_file("/dev/null"));
  CHECK_THAT(refusal({.checkpoint = folder.file("none/run")}),
             Contains("[Trainer.fit] " + folder.file("none/run")) && Contains("No such file"));
  touch(folder.file("file"));
  CHECK_THAT(refusal({.checkpoint = folder.file("file/run")}), Contains("Not a directory"));
  CHECK(folder.files() == 3);
}

TEST_CASE("one file under two names is refused as checkpoint and best file") {
  const Folder folder;
  fs::create_directory(folder.file("inner"));
  CHECK_THAT(refusal({.checkpoint = folder.file("run"), .best_file = folder.file("inner/../run")}),
             Contains("best_file: expected another file than checkpoint"));
  touch(folder.file("run"));
  fs::create_symlink("run", folder.file("link"));
  CHECK_THAT(refusal({.checkpoint = folder.file("run"), .best_file = folder.file("link")}),
             Contains("best_file: expected another file than checkpoint"));
  CHECK_FALSE(detail::is_same_file(folder.file("run"), folder.file("runs")));
}

TEST_CASE("one file under two names is told however they are written, there or not") {
  const Folder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  CHECK(detail::is_same_file("run", "./run"));
  CHECK(detail::is_same_file("run", folder.file("run")));
  fs::create_symlink("run", "link");  // of which there is nothing yet
  fs::create_symlink("link", "chain");
  CHECK(detail::is_same_file("run", "chain"));
  CHECK(detail::is_same_file(folder.file("link"), "chain"));
  CHECK_FALSE(detail::is_same_file("link", "other"));
  fs::create_symlink("loop", "loop");
  CHECK_FALSE(detail::is_same_file("loop", "run"));
  CHECK_THROWS_WITH((TrainOptions{.checkpoint = "run", .best_file = "./run"}.check()),
                    "[Trainer] best_file: expected another file than checkpoint, got './run' and 'run'");
  CHECK_THROWS_AS((TrainOptions{.checkpoint = "chain", .best_file = "run"}.check()), ArgumentError);
  touch("run");
  fs::create_hard_link("run", "hard");
  CHECK(detail::is_same_file("run", "hard"));
  CHECK(detail::is_same_file("chain", "hard"));
  CHECK_FALSE(detail::is_same_file("/dev/null", "/dev/null"));
  fs::current_path(before);
}

TEST_CASE(
    "a log on the file of the checkpoint, of the best weights or of another log is refused, and it stays") {
  const Folder folder;
  const std::string run = folder.file("run"), text = "not to be lost";
  write_bytes(run, text);
  fs::create_hard_link(run, folder.file("hard"));
  CsvLog csv(run);
  JsonLinesLog lines(folder.file("hard"));
  MemoryLog memory;
  CHECK_THAT(refusal({.checkpoint = run, .logs = {&memory, &csv}}),
             Contains("[Trainer.fit] logs[1]: expected another file than checkpoint, got '" + run +
                      "' and '" + run));
  CHECK_THAT(
      refusal({.best_file = run, .logs = {&lines}}),
      Contains("[Trainer.fit] logs[0]: expected another file than best_file, got '" + folder.file("hard")));
  CHECK_THAT(refusal({.logs = {&csv, &lines}}), Contains("logs[1]: expected another file than logs[0]"));
  CHECK(read_bytes(run) == text);
  CsvLog nowhere("/dev/null");
  JsonLinesLog nowhere_either("/dev/null");
  CHECK_NOTHROW(Run().fit({.logs = {&nowhere, &nowhere_either, &memory, &memory}}));
}

TEST_CASE("a second training on one checkpoint is refused while the first one goes on") {
  const Folder folder;
  const std::string file = folder.file("run");
  touch(folder.file("run.lock"));  // of a program that was killed: holds nobody up
  Run run;
  TrainOptions options{.epochs = 2, .checkpoint = file, .progress = false};
  int refused = 0;
  options.on_epoch = [&](const EpochReport& report) {
    CHECK_THAT(refusal({.checkpoint = file}),
               Contains("[Trainer.fit] " + file + ": expected a checkpoint that no other training writes"));
    if (report.epoch == 2) {
      // By another name, too; another file is free.
      fs::create_symlink("run", folder.file("link"));
      CHECK_THAT(refusal({.checkpoint = folder.file("link")}), Contains("no other training writes"));
      Run other;
      CHECK(other.fit({.checkpoint = folder.file("other")}).steps == 2);
    }
    ++refused;
  };
  Trainer trainer(run.model, run.adam, ClassLoss{}, options);
  trainer.fit(BucketedSource<float>(8, 4, 5));
  CHECK(refused == 2);
  CHECK_FALSE(fs::exists(folder.file("run.lock")));
  // Over, also by an exception: the next may.
  options.on_epoch = [](const EpochReport&) { throw std::runtime_error("callback"); };
  Trainer failing(run.model, run.adam, ClassLoss{}, options);
  CHECK_THROWS(failing.fit(BucketedSource<float>(8, 4, 5)));
  Run next;
  CHECK(next.fit({.checkpoint = file}).steps == 2);
}

TEST_CASE("the lock of a checkpoint ends with its process") {
  const Folder folder;
  const std::string file = folder.file("run");
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const detail::CheckpointLock lock(file);
    const char byte = 'x';
    if (::write(ends[1], &byte, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  REQUIRE(child > 0);
  ::close(ends[1]);
  char byte = 0;
  REQUIRE(::read(ends[0], &byte, 1) == 1);  // it holds the lock
  ::close(ends[0]);
  CHECK_THROWS_AS(detail::CheckpointLock(file), FileError);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_NOTHROW(detail::CheckpointLock(file));
  CHECK(folder.files() == 0);
}

TEST_CASE("unfinished files are removed unless somebody writes them") {
  const Folder folder;
  const std::string file = folder.file("run");
  const auto numbered = [&](const std::string& numbers) { return file + numbers; };
  // Whatever process or machine they are from, and however fresh.
  const std::string left[] = {numbered(fmt::format(".{}.998.tmp", ::getpid())),
                              numbered(fmt::format(".{}.3.tmp", ::getppid())),
                              numbered(".99999999999.1.tmp")};
  const std::string others[] = {numbered(".tmp"),        numbered(".12.tmp"),    numbered("x.12.3.tmp"),
                                numbered(".12.3.tmpx"),  numbered(".12.-3.tmp"), numbered(".12.3a.tmp"),
                                numbered(".a.12.3.tmp"), folder.file("12.3.tmp")};
  for (const std::string& name : others) touch(name);
  for (const std::string& name : left) touch(name);
  fs::create_directory(numbered(".1.2.tmp"));
  {
    AtomicFile writing(file, "test");
    const std::size_t before = folder.files();
    CHECK(remove_unfinished(file) == 3);
    CHECK(folder.files() == before - 3);
    writing.write("whole", 5);
    writing.commit();
  }
  for (const std::string& name : left) CHECK_FALSE(fs::exists(name));
  for (const std::string& name : others) CHECK(fs::exists(name));
  CHECK(fs::is_directory(numbered(".1.2.tmp")));
  CHECK(fs::file_size(file) == 5);
  // Beside the file that a link leads to, as it is that one that is written.
  fs::create_directory(folder.file("linked"));
  fs::create_symlink("../run", folder.file("linked/link"));
  touch(left[0]);
  CHECK(remove_unfinished(folder.file("linked/link")) == 1);
  CHECK(remove_unfinished(folder.file("no/such/folder")) == 0);
  // A training does so at its start.
  touch(left[1]);
  touch(file);
  fs::remove(file);
  Run run;
  run.fit({.checkpoint = file});
  CHECK_FALSE(fs::exists(left[1]));
}

TEST_CASE("a log that cannot be flushed any more costs no checkpoint") {
  const Folder folder;
  const std::string file = folder.file("run");
  struct Gone : Log {
    void scalars(std::int64_t, std::int64_t, std::span<const NamedScalar>) override {}
    void flush() override { throw FileError("the terminal is closed"); }
  } gone;
  Run run;
  CHECK_THROWS_WITH(run.fit({.checkpoint = file, .logs = {&gone}}), "the terminal is closed");
  CHECK(load_checkpoint<float>(file).state.step == 2);
}
