// Small models, data and logs that the tests of the trainer share.
#pragma once

#include <fmt/format.h>
#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/scratch.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::test {

using Folder = ScratchFolder;

template <class S>
bool same_bits(const Tensor<S>& a, const Tensor<S>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(S)) == 0;
}
template <class S>
bool same_bits(const TensorMap<S>& a, const TensorMap<S>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && same_bits(x.second, y.second);
  });
}
template <class S>
bool same_bits(const Checkpoint<S>& a, const Checkpoint<S>& b) {
  return a.optimizer_name == b.optimizer_name && same_bits(a.model, b.model) &&
         same_bits(a.optimizer, b.optimizer) && same_bits(a.best, b.best) &&
         same_bits(a.carried, b.carried) && a.state.to_text() == b.state.to_text();
}
template <class M>
TensorMap<scalar_t<M>> weights_of(const M& model) {
  TensorMap<scalar_t<M>> tensors;
  for (const auto& [name, var] : named_parameters(model)) tensors[name] = var.value();
  return tensors;
}

// Keeps every line, with every bit of its numbers.
struct MemoryLog : Log {
  struct Line {
    std::int64_t step;
    std::string text;
    bool operator==(const Line&) const = default;
  };
  std::vector<Line> lines;
  int flushes = 0;

  void scalars(std::int64_t step, std::int64_t epoch, std::span<const NamedScalar> values) override {
    std::string text = fmt::format("epoch {}", epoch);
    for (const auto& [name, value] : values) text += fmt::format(" {}={}", name, value);
    lines.push_back({step, text});
  }
  void histogram(std::int64_t step, std::string_view name, std::span<const float> values) override {
    double sum = 0.0;
    for (const float v : values) sum += static_cast<double>(v);
    lines.push_back({step, fmt::format("{} {} {}", name, values.size(), sum)});
  }
  void text(std::int64_t step, std::string_view name, std::string_view text) override {
    lines.push_back({step, fmt::format("{}: {}", name, text)});
  }
  void flush() override { ++flushes; }
  void resume(std::int64_t step) override {
    std::erase_if(lines, [&](const Line& line) { return line.step > step; });
  }
  // How many lines contain the word.
  std::ptrdiff_t count(const std::string& word) const {
    return std::count_if(lines.begin(), lines.end(),
                         [&](const Line& l) { return l.text.find(word) != std::string::npos; });
  }
};

// --- sequences to classes

template <class S>
struct LabelledBatch {
  Tensor<S> x;  // (T,B,I)
  IndexTensor labels;
  std::vector<Index> lengths;
  std::size_t size() const { return labels.size(); }
};

// Sequences whose class is which of the features has the largest sum, of lengths 2..6; batches of about equal
// lengths, in an order of every epoch's own.
template <class S>
class BucketedSource {
 public:
  static constexpr Index kFeatures = 3;
  BucketedSource(std::size_t count, std::size_t batch, std::uint64_t seed) : batch_(batch), seed_(seed) {
    Rng rng(seed);
    for (std::size_t i = 0; i < count; ++i) {
      const auto steps = static_cast<std::size_t>(2 + rng.below(5));
      samples_.push_back(random_normal<S>({steps, kFeatures}, 0.0, 1.0, rng));
    }
    start_epoch(1);
  }
  std::size_t size() const { return (samples_.size() + batch_ - 1) / batch_; }
  void start_epoch(std::int64_t epoch) {
    Rng rng(seed_ * 1000 + static_cast<std::uint64_t>(epoch));
    order_ = rng.permutation(static_cast<Index>(samples_.size()));
    std::stable_sort(order_.begin(), order_.end(), [&](Index a, Index b) { return steps(a) < steps(b); });
    batches_ = rng.permutation(static_cast<Index>(size()));
  }
  LabelledBatch<S> batch(std::size_t i) const {
    const std::size_t first = static_cast<std::size_t>(batches_[i]) * batch_;
    const std::size_t count = std::min(batch_, samples_.size() - first);
    LabelledBatch<S> batch{{}, IndexTensor(Shape{count}), {}};
    std::size_t longest = 0;
    for (std::size_t b = 0; b < count; ++b) longest = std::max(longest, steps(order_[first + b]));
    batch.x = zeros<S>({longest, count, kFeatures});
    for (std::size_t b = 0; b < count; ++b) {
      const Tensor<S>& sample = samples_[static_cast<std::size_t>(order_[first + b])];
      S sums[kFeatures] = {};
      for (std::size_t t = 0; t < sample.shape()[0]; ++t) {
        for (std::size_t f = 0; f < kFeatures; ++f) {
          batch.x(t, b, f) = sample(t, f);
          sums[f] += sample(t, f);
        }
      }
      batch.labels(b) = std::max_element(sums, sums + kFeatures) - sums;
      batch.lengths.push_back(static_cast<Index>(sample.shape()[0]));
    }
    return batch;
  }

 private:
  std::size_t steps(Index i) const { return samples_[static_cast<std::size_t>(i)].shape()[0]; }
  std::size_t batch_;
  std::uint64_t seed_;
  std::vector<Tensor<S>> samples_;
  std::vector<Index> order_, batches_;
};

// Dropout, zoneout and recurrent dropout: every kind of randomness that layers have.
template <class S>
struct Classifier {
  Lstm<S> lstm;
  Dropout<S> dropout;
  Linear<S> head;

  explicit Classifier(std::uint64_t seed) : Classifier(Rng(seed)) {}
  Var<S> operator()(const LabelledBatch<S>& b) const {
    const auto [y, states] = lstm(Var<S>(b.x), {.lengths = b.lengths});
    return head(dropout(states.back().h));
  }
  static void each(auto& self, auto&& visit) {
    visit("lstm", self.lstm);
    visit("dropout", self.dropout);
    visit("head", self.head);
  }

 private:
  explicit Classifier(Rng rng)
      : lstm({.input = BucketedSource<S>::kFeatures, .hidden = 5},
             {.layers = 2,
              .dropout = 0.2,
              .recurrent_dropout = 0.1,
              .zoneout_hidden = 0.1,
              .zoneout_cell = 0.2},
             rng),
        dropout(0.25, rng),
        head(5, 3, rng) {}
};

struct ClassLoss {
  auto operator()(auto& model, const auto& batch) const {
    const auto logits = model(batch);
    return LossOutput{cross_entropy(logits, batch.labels), logits, batch.labels};
  }
};

// --- a long sequence in windows, the state carried along

template <class S>
struct WindowBatch {
  Tensor<S> x, y;  // (T,B,1)
  std::size_t size() const { return x.size(); }
};

// Windows of T steps of B streams; y is the sum of the last two x.
template <class S>
class StreamSource {
 public:
  StreamSource(std::size_t steps, std::size_t streams, std::size_t window, std::uint64_t seed)
      : window_(window) {
    Rng rng(seed);
    x_ = random_normal<S>({steps, streams, 1}, 0.0, 1.0, rng);
  }
  std::size_t size() const { return (x_.shape()[0] + window_ - 1) / window_; }
  void start_epoch(std::int64_t) {}
  WindowBatch<S> batch(std::size_t i) const {
    const std::size_t first = i * window_, streams = x_.shape()[1];
    const std::size_t steps = std::min(window_, x_.shape()[0] - first);
    WindowBatch<S> batch{empty<S>({steps, streams, 1}), empty<S>({steps, streams, 1})};
    for (std::size_t t = 0; t < steps; ++t) {
      for (std::size_t b = 0; b < streams; ++b) {
        batch.x(t, b, 0) = x_(first + t, b, 0);
        batch.y(t, b, 0) = x_(first + t, b, 0) + (first + t > 0 ? x_(first + t - 1, b, 0) : S{0});
      }
    }
    return batch;
  }

 private:
  std::size_t window_;
  Tensor<S> x_;
};

template <class S>
struct Streamer {
  Lstm<S> lstm;
  Linear<S> head;
  explicit Streamer(std::uint64_t seed) : Streamer(Rng(seed)) {}
  static void each(auto& self, auto&& visit) {
    visit("lstm", self.lstm);
    visit("head", self.head);
  }

 private:
  explicit Streamer(Rng rng)
      : lstm({.input = 1, .hidden = 4}, {.zoneout_hidden = 0.1}, rng), head(4, 1, rng) {}
};

template <class S>
struct StreamLoss : CarriedStates<typename Lstm<S>::State> {
  auto operator()(Streamer<S>& model, const WindowBatch<S>& batch) {
    const auto result = model.lstm(Var<S>(batch.x), {.states = this->states});
    this->states = detach(result.states);
    const auto prediction = model.head(result.output);
    return LossOutput{mse_loss(prediction, Var<S>(batch.y)), prediction, batch.y};
  }
};

}  // namespace unroll::test
