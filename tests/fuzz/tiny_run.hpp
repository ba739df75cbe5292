// A training of a moment, whose checkpoints are fuzzed.
#pragma once

#include "framework/ops.hpp"
#include "optim/adam.hpp"
#include "training/metrics/metrics.hpp"
#include "training/trainer/trainer.hpp"

namespace unroll::fuzz {

struct TinyModel {
  using Scalar = float;
  Var<float> weight = parameter(Tensor<float>{0.5F, -0.5F}), bias = parameter(Tensor<float>{0.25F, 0.125F});
  static void each(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

struct Pair {
  Tensor<float> x, y;
  std::size_t size() const { return 2; }
};

struct Pairs {
  std::size_t size() const { return 2; }
  void start_epoch(std::int64_t) {}
  Pair batch(std::size_t i) const {
    const auto k = static_cast<float>(i);
    return {Tensor<float>{{k, 1.0F}, {1.0F, k}}, Tensor<float>{{k, 1.0F}, {1.0F, -k}}};
  }
};

struct Loss {
  auto operator()(const TinyModel& model, const Pair& pair) const {
    const Var<float> y = Var<float>(pair.x) * model.weight + model.bias, error = y - Var<float>(pair.y);
    return LossOutput{mean(error * error), y, pair.y};
  }
};

struct TinyRun {
  TinyModel model;
  Adam<float> adam{parameters(model), {.lr = 0.1}};
  Rng noise{2};
  Trainer<TinyModel, Loss, Rmse> trainer{model,
                                         adam,
                                         Loss{},
                                         {.epochs = 2,
                                          .plateau = PlateauSchedule{.lr = 0.1},
                                          .patience = 3,
                                          .progress = false,
                                          .interruptible = false},
                                         Rmse()};
  TinyRun() { trainer.keep("noise", noise); }
  void fit() { trainer.fit(Pairs{}, Pairs{}); }
};

}  // namespace unroll::fuzz
