// The model: characters through an embedding and one recurrent layer to logits of the character that follows.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples::char_lm {

// Layer is Rnn<float>, Lstm<float> or Gru<float>.
template <class Layer>
struct Model {
  using Scalar = float;
  Embedding<float> embedding;
  Layer layer;
  Linear<float> head;

  Model(Index characters, Index size, Index hidden, Rng& rng)
      : embedding(characters, size, rng),
        layer({.input = size, .hidden = hidden}, rng),
        head(hidden, characters, rng) {}

  static void each(auto& self, auto&& visit) {
    visit("embedding", self.embedding);
    visit("layer", self.layer);
    visit("head", self.head);
  }
};

// Truncated backpropagation through time: the states go on from window to window, without their history.
template <class Layer>
struct StreamLoss {
  States<typename Layer::State> states;
  auto operator()(const Model<Layer>& model, const TextBatch& batch) {
    const auto [y, after] = model.layer(model.embedding(batch.ids), {.states = states});
    states = detach(after);
    IndexTensor labels = batch.labels;
    labels.reshape(Shape{labels.size()});
    return cross_entropy(reshape(model.head(y), {static_cast<Index>(batch.size()), -1}), labels);
  }
  void start_epoch() { states.clear(); }
  TensorMap<float> state() const { return state_tensors(states); }
  void load_state(const TensorMap<float>& t) { states = states_from<typename Layer::State>(t); }
};

struct Sampling {
  std::string prompt;
  Index length, top_k;  // of the characters, the top_k most probable take part
  double temperature;   // p_i ~ exp(logit_i / temperature)
};

// Goes on from the prompt, character by character; special tokens are never drawn.
template <class Layer>
std::string sample(const Model<Layer>& model, const Vocabulary& vocabulary, const Sampling& how, Rng& rng) {
  const std::size_t size = model.embedding.weight.shape()[1], special = vocabulary.special_count();
  Stream<float> stream = freeze(model.layer, model.head);
  std::span<const float> logits;
  const auto feed = [&](std::int64_t id) {
    logits = stream.step({model.embedding.weight.value().data() + static_cast<std::size_t>(id) * size, size});
  };
  for (const std::int64_t id : vocabulary.encode(how.prompt)) feed(id);
  std::vector<std::int64_t> order(vocabulary.size() - special), drawn;
  const std::size_t kept = std::min(order.size(), static_cast<std::size_t>(how.top_k));
  while (static_cast<Index>(drawn.size()) < how.length) {
    const auto logit = [&](std::int64_t id) { return logits[static_cast<std::size_t>(id)]; };
    std::iota(order.begin(), order.end(), static_cast<std::int64_t>(special));
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return logit(a) > logit(b); });
    std::vector<double> sums;  // of the weights so far
    for (std::size_t k = 0; k < kept; ++k) {
      const double above = static_cast<double>(logit(order[k])) - static_cast<double>(logit(order[0]));
      sums.push_back((k == 0 ? 0.0 : sums.back()) + std::exp(above / how.temperature));
    }
    const auto at = std::upper_bound(sums.begin(), sums.end() - 1, rng.uniform() * sums.back());
    drawn.push_back(order[static_cast<std::size_t>(at - sums.begin())]);
    feed(drawn.back());
  }
  return how.prompt + vocabulary.decode(drawn);
}

}  // namespace unroll::examples::char_lm
