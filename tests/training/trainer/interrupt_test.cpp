#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <thread>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {
volatile std::sig_atomic_t seen = 0;
void count(int) { seen = seen + 1; }

// How a child ended that ran this.
int in_a_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    // Whoever runs the tests may ignore them: nohup does.
    for (const int signal : {SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);
    int result = 100;
    try {
      result = body();
    } catch (...) {
    }
    ::_exit(result);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}
}  // namespace

TEST_CASE("a signal is a request while an Interrupt lives; interrupts nest, and leave signals as they were") {
  seen = 0;
  ::signal(SIGINT, count);
  {
    const Interrupt outer;
    CHECK_FALSE(Interrupt::requested());
    {
      const Interrupt inner;
      ::raise(SIGINT);
    }
    CHECK(Interrupt::requested());
    const Interrupt another;
    CHECK(Interrupt::requested());  // the same request
    CHECK(seen == 0);
  }
  CHECK(Interrupt::requested());
  ::raise(SIGINT);
  CHECK(seen == 1);
  ::signal(SIGINT, SIG_DFL);
  const Interrupt fresh;
  CHECK_FALSE(Interrupt::requested());
  ::raise(SIGTERM);
  CHECK(Interrupt::requested());
}

TEST_CASE("the second Ctrl-C or SIGTERM ends the program") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const int status = in_a_child([&] {
      const Interrupt interrupt;
      ::raise(signal);
      ::raise(signal);
      return 0;
    });
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal);
  }
}

TEST_CASE("a closed terminal or a reader that is gone is a request, however often it is said") {
  for (const int signal : {SIGHUP, SIGPIPE}) {
    CAPTURE(signal);
    const int asked = in_a_child([&] {
      const Interrupt interrupt;
      ::raise(signal);
      ::raise(signal);
      return Interrupt::requested() ? 0 : 1;
    });
    CHECK(WIFEXITED(asked));
    CHECK(WEXITSTATUS(asked) == 0);
    const int after = in_a_child([&] {
      { const Interrupt interrupt; }
      ::raise(signal);  // what it did before, which is to end the program
      return 0;
    });
    CHECK(WIFSIGNALED(after));
    CHECK(WTERMSIG(after) == signal);
    // Under nohup the training goes on.
    const int ignoring = in_a_child([&] {
      ::signal(signal, SIG_IGN);
      const Interrupt interrupt;
      ::raise(signal);
      return Interrupt::requested() ? 1 : 0;
    });
    CHECK(WIFEXITED(ignoring));
    CHECK(WEXITSTATUS(ignoring) == 0);
  }
}

TEST_CASE("interrupts of several threads leave the signals as they were") {
  ::signal(SIGINT, count);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int k = 0; k < 200; ++k) const Interrupt interrupt;
      });
    }
    for (std::thread& thread : threads) thread.join();
    struct sigaction now {};
    ::sigaction(SIGINT, nullptr, &now);
    REQUIRE(now.sa_handler == count);
  }
  {
    // One that lives keeps the signal, whatever others do.
    const Interrupt outer;
    std::thread([] { const Interrupt inner; }).join();
    seen = 0;
    ::raise(SIGINT);
    CHECK(seen == 0);
    CHECK(Interrupt::requested());
  }
  ::signal(SIGINT, SIG_DFL);
}

namespace {

// Six steps an epoch; ends with 0 when it is interrupted, with 1 when a file cannot be written.
int train_in_a_child(TrainOptions options, const std::function<void(std::int64_t step)>& at_step) {
  const int status = in_a_child([&] {
    options.epochs = 9;
    options.on_step = [&](const StepReport& report) { at_step(report.step); };
    Classifier<float> model(1);
    Adam<float> adam(parameters(model), {.lr = 0.02});
    Trainer trainer(model, adam, ClassLoss{}, options);
    try {
      return trainer.fit(BucketedSource<float>(22, 4, 5)).interrupted() ? 0 : 2;
    } catch (const FileError&) {
      return 1;
    }
  });
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// Nobody reads what goes to this descriptor.
void break_pipe(int descriptor) {
  int ends[2];
  if (::pipe(ends) != 0) ::_exit(101);
  ::close(ends[0]);
  ::dup2(ends[1], descriptor);
  ::close(ends[1]);
}

}  // namespace

TEST_CASE("a training whose terminal or reader is gone saves and ends, whatever it still has to say") {
  const Folder folder;
  // The line of the first epoch finds out that nobody reads.
  CHECK(train_in_a_child({.checkpoint = folder.file("pipe")}, [](std::int64_t step) {
          if (step == 2) break_pipe(STDERR_FILENO);
        }) == 0);
  CHECK(load_checkpoint<float>(folder.file("pipe")).state.step == 6);
  // A hangup, and no line can be written any more.
  CHECK(train_in_a_child({.checkpoint = folder.file("hangup")}, [](std::int64_t step) {
          if (step == 1) {
            ::signal(SIGPIPE, SIG_IGN);
            break_pipe(STDERR_FILENO);
          }
          if (step == 8) ::raise(SIGHUP);
        }) == 0);
  CHECK(load_checkpoint<float>(folder.file("hangup")).state.step == 8);
  // A log that cannot be written is an error, after the checkpoint.
  ConsoleLog log;
  CHECK(train_in_a_child({.checkpoint = folder.file("log"), .logs = {&log}, .progress = false},
                         [](std::int64_t step) {
                           if (step == 2) break_pipe(STDOUT_FILENO);
                         }) == 1);
  CHECK(load_checkpoint<float>(folder.file("log")).state.step == 6);
}

TEST_CASE(
    "Ctrl-C finishes the batch, saves and says how to go on; the run that goes on gives the same bits") {
  const Folder folder;
  const std::string file = folder.file("run");
  const auto train = [&](std::uint64_t seed, std::int64_t interrupt_at, TrainOptions options) {
    Classifier<float> model(seed);
    Adam<float> adam(parameters(model), {.lr = 0.02});
    options.epochs = 2;
    options.progress = false;
    options.on_step = [&](const StepReport& r) {
      if (r.step == interrupt_at) ::raise(SIGINT);
    };
    Trainer trainer(model, adam, ClassLoss{}, options);
    const TrainResult result = trainer.fit(BucketedSource<float>(22, 4, 5), BucketedSource<float>(9, 4, 6));
    return std::pair(result, weights_of(model));
  };
  const auto [want, weights] = train(1, 0, {});
  for (const std::int64_t step : {1, 6, 8}) {  // the first, the epoch's last, one in the middle
    std::filesystem::remove(file);
    const auto [stopped, ignored] = train(1, step, {.checkpoint = file, .resume = true});
    CHECK(stopped.interrupted());
    CHECK(stopped.steps == step);
    CHECK_THAT(stopped.message, Contains(fmt::format("(step {}); saved in {}", step, file)));
    const auto [result, got] = train(99, 0, {.checkpoint = file, .resume = true});
    CHECK(result.stop == StopReason::finished);
    CHECK(result.history == want.history);
    CHECK(same_bits(got, weights));
  }
  CHECK_THAT(train(1, 2, {.checkpoint = file, .resume_hint = "add --resume"}).first.message,
             Contains("interrupted in epoch 1 after 2 of 6 batches (step 2); saved in " + file +
                      ", to continue: add --resume"));
  CHECK_THAT(train(1, 2, {}).first.message, Contains("(step 2); nothing is saved, as"));
  // The best weights are no checkpoint, but they are there.
  const std::string best = folder.file("best");
  CHECK_THAT(train(1, 2, {.best_file = best}).first.message, Contains("(step 2); nothing is saved, as"));
  CHECK_FALSE(std::filesystem::exists(best));
  CHECK_THAT(train(1, 8, {.best_file = best}).first.message,
             Contains("(step 8); the best weights are in " + best + "; no checkpoint is saved, as"));
  CHECK(std::filesystem::exists(best));
  // Not asked for: the signal is the program's own.
  seen = 0;
  ::signal(SIGINT, count);
  CHECK(train(1, 2, {.interruptible = false}).first.stop == StopReason::finished);
  CHECK(seen == 1);
  ::signal(SIGINT, SIG_DFL);
}
