// Writes the event files that read_events.py expects: a run that was stopped and resumed.
#include <vector>

#include "training/tensorboard/tensorboard_log.hpp"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  using namespace unroll;
  const auto scalar = [](TensorBoardLog& log, std::int64_t step, double value) {
    log.scalars(step, 1, std::vector<NamedScalar>{{"train/loss", value}, {"lr", 0.125}});
  };
  {
    TensorBoardLog old(arguments[1]);  // an earlier run in the same folder
    scalar(old, 1, 99.0);
  }
  {
    TensorBoardLog log(arguments[1]);
    log.text(0, "model", "gru  960");
    for (int step = 1; step <= 5; ++step) scalar(log, step, 1.0 / step);
    log.histogram(2, "weight", std::vector<float>{-1.5F, 0.25F, 0.25F});
  }
  TensorBoardLog log(arguments[1]);
  log.resume(3);
  for (int step = 4; step <= 6; ++step) scalar(log, step, 10.0 * step);
}
