// A training of a moment, whose checkpoints are fuzzed.
#pragma once

#include "layers/linear.hpp"
#include "layers/losses.hpp"
#include "optim/adam.hpp"
#include "training/metrics.hpp"
#include "training/trainer.hpp"

namespace unroll::fuzz {

struct TinyModel {
  Linear<float> a;
  using Scalar = float;
  TinyModel() : TinyModel(Rng(1)) {}
  static void each(auto& self, auto&& visit) { visit("a", self.a); }

 private:
  explicit TinyModel(Rng rng) : a(2, 2, rng) {}
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
    const auto y = model.a(Var<float>(pair.x));
    return Scored{mse_loss(y, Var<float>(pair.y)), y, pair.y};
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
