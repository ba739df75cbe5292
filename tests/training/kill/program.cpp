// Trains for ever with a checkpoint after every step, until it is killed: program FILE. Its first line says
// where it goes on from. With "finish" behind the file it ends after the epoch under way.
#include <cstdio>
#include <cstring>

#include "tests/training/experiments.hpp"

using namespace unroll;

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
                   .interruptible = false},
                  Accuracy());
  if (checkpoint_exists(argv[1])) trainer.resume(argv[1]);
  std::printf("step %lld\n", static_cast<long long>(trainer.state().step));
  std::fflush(stdout);
  TrainOptions options = trainer.options();
  if (finish) options.epochs = trainer.state().epoch;
  trainer.set_options(options);
  trainer.fit(test::BucketedSource<float>(22, 4, 5), test::BucketedSource<float>(9, 4, 6));
  return 0;
}
