// Trains for ever with a checkpoint after every step, until it is killed: program FILE. Its first line says
// where it goes on from, and every other one which step is complete and will be saved. With "finish" behind
// the file it ends after the epoch under way.
#include <cstdio>
#include <cstring>

#include "tests/training/experiments.hpp"

using namespace unroll;

namespace {

void say(std::int64_t step) {
  std::printf("step %lld\n", static_cast<long long>(step));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const bool finish = argc > 2 && std::strcmp(argv[2], "finish") == 0;
  test::Classifier<float> model(7);
  Adam<float> adam(parameters(model), {.lr = 0.01});
  Trainer trainer(model, adam, test::ClassLoss{},
                  {.epochs = 1000000,
                   .checkpoint = argv[1],
                   .checkpoint_every = 1,
                   .resume = true,
                   .progress = false,
                   .interruptible = false,
                   .on_step = [](const StepReport& report) { say(report.step); }},
                  Accuracy());
  if (checkpoint_exists(argv[1])) trainer.resume(argv[1]);
  say(trainer.state().step);
  TrainOptions options = trainer.options();
  if (finish) options.epochs = trainer.state().epoch;
  trainer.set_options(options);
  trainer.fit(test::BucketedSource<float>(22, 4, 5), test::BucketedSource<float>(9, 4, 6));
  return 0;
}
