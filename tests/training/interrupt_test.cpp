#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {
volatile std::sig_atomic_t seen = 0;
void count(int) { seen = seen + 1; }
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

TEST_CASE("the second signal ends the program") {
  const pid_t child = ::fork();
  if (child == 0) {
    const Interrupt interrupt;
    ::raise(SIGINT);
    ::raise(SIGINT);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGINT);
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
    CHECK(result.stop == Stop::finished);
    CHECK(result.history == want.history);
    CHECK(same_bits(got, weights));
  }
  CHECK_THAT(train(1, 2, {.checkpoint = file, .resume_hint = "add --resume"}).first.message,
             Contains("interrupted in epoch 1 after 2 of 6 batches (step 2); saved in " + file +
                      ", to go on: add --resume"));
  CHECK_THAT(train(1, 2, {}).first.message, Contains("(step 2); nothing is saved, as"));
  // The best weights are no checkpoint, but they are there.
  const std::string best = folder.file("best");
  CHECK_THAT(train(1, 2, {.best_file = best}).first.message, Contains("(step 2); nothing is saved, as"));
  CHECK_FALSE(std::filesystem::exists(best));
  CHECK_THAT(train(1, 8, {.best_file = best}).first.message,
             Contains("(step 8); the best weights are in " + best + "; nothing to go on from is saved, as"));
  CHECK(std::filesystem::exists(best));
  // Not asked for: the signal is the program's own.
  seen = 0;
  ::signal(SIGINT, count);
  CHECK(train(1, 2, {.interruptible = false}).first.stop == Stop::finished);
  CHECK(seen == 1);
  ::signal(SIGINT, SIG_DFL);
}
