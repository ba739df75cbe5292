#include <catch2/catch.hpp>

#include "training/trainer/progress.hpp"

using namespace unroll;

TEST_CASE("the progress line shows share, bar, note, rate and time left, and fits the terminal") {
  CHECK(Progress::line({45, 100, 5.0, "epoch 3/12", "loss 0.4123"}, 90) ==
        "epoch 3/12  45% [=============                 ]  loss 0.4123  5.0/s  0:11 left");
  CHECK(Progress::line({0, 100, 0.0, "epoch 1/2", "loss 1.0"}, 80) ==
        "epoch 1/2   0% [                              ]  loss 1.0");
  CHECK(Progress::line({100, 100, 812.4, "e", "n"}, 80) ==
        "e 100% [==============================]  n  812/s  0:00 left");
  CHECK(Progress::line({1, 2, 0.00025, "e", "n"}, 80) ==
        "e  50% [===============               ]  n  4000.0 s each  1:06:40 left");
  for (const std::size_t width : {1U, 10U, 30U, 44U, 50U, 200U}) {
    CHECK(Progress::line({5, 10, 3.0, "epoch 3/12", "loss 0.4123"}, width).size() < width);
  }
}

TEST_CASE("where there is no terminal the line has no bar") {
  CHECK(Progress::plain_line({45, 100, 5.0, "epoch 3/12", "loss 0.4123"}) ==
        "epoch 3/12  45%  loss 0.4123  5.0/s  0:11 left");
}
