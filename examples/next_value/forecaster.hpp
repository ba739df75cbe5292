// A recurrent network that forecasts the next value of a series.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "examples/next_value/baselines.hpp"
#include "examples/next_value/series.hpp"
#include "framework/tensor.hpp"

namespace unroll::examples::next_value {

// How the network is built and trained.
struct Recipe {
  std::string cell = "lstm";  // rnn, lstm or gru
  Index hidden = 16;
  Index epochs = 60;
  Index updates = 10;       // per epoch
  std::size_t window = 32;  // steps of one training sequence
  std::size_t warmup = 6;   // first steps of it, without loss: the state is still filling
  std::size_t batch = 16;
  double lr = 3e-3;
  double weight_decay = 0.0;
  double noise = 0.0;  // standard deviation added to the inputs, in standard deviations of the series
  double clip = 1.0;   // largest global norm of the gradient
  std::uint64_t seed = 1;
};

struct EpochReport {
  Index epoch;        // from 1
  double loss;        // mean of the epoch's updates, in variances of the series
  double valid_rmse;  // in the series' unit; NaN without a validation part
  bool best = false;  // by validation, so far
};

// What a training tells while it runs.
struct Observer {
  std::function<void(const std::string& summary)> on_start = {};  // of the network: layers, shapes, counts
  bool progress = false;  // a bar and a line an epoch on standard error
};

struct Outcome {
  std::vector<EpochReport> history;
  Index best_epoch = 0;       // whose weights were kept: the best by validation, else the last
  OneStep one_step;           // of the whole series, in one pass
  std::vector<double> ahead;  // beyond its end, each forecast read as the next input
};

// Trains on the training part (on random windows) and forecasts:
//   h_t = cell(x_t, season of t+1, h_{t-1}),  x_{t+1} = x_t + W h_t + b
// in standard deviations of the training part; the season is (sin, cos) of 2 pi (t+1) / period. The same seed
// gives the same outcome. Ctrl-C ends the training after the update under way. Throws
// ArgumentError for a recipe that does not fit the series, NonfiniteError when the training diverges.
Outcome train_and_forecast(const Series& series, const Recipe& recipe, std::size_t horizon,
                           const Observer& observer = {});

}  // namespace unroll::examples::next_value
