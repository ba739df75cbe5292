// The kit and the library in one file: no name is there twice.
#include <catch2/catch.hpp>

#include "training/training.hpp"
#include "unroll.hpp"

using namespace unroll;

TEST_CASE("a model learns from a ragged data set in bucketed batches, the library and the kit in one file") {
  // Whether a sequence's first id is even: nothing behind an end may matter.
  Rng rng(1);
  SequenceDataset<float> data;
  for (int i = 0; i < 200; ++i) {
    std::vector<std::int64_t> ids(static_cast<std::size_t>(1 + rng.below(6)));
    for (auto& id : ids) id = 1 + rng.below(8);
    data.add(ids, ids[0] % 2);
  }
  const Embedding<float> embedding(9, 8, rng);
  const Gru<float> gru({.input = 8, .hidden = 16}, rng);
  const Linear<float> head(16, 2, rng);
  Adam<float> adam(parameters(embedding, gru, head), {.lr = 1e-2});
  Batches<float> batches(data, {.batch_size = 16, .shuffle = true, .seed = 2, .bucket_batches = 4});
  double loss_sum = 0.0;
  for (std::int64_t epoch = 1; epoch <= 20; ++epoch) {
    batches.start_epoch(epoch);
    loss_sum = 0.0;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const Batch<float> batch = batches.batch(i);
      Tape tape;
      const auto logits = head(last(gru(embedding(batch.ids), {.lengths = batch.lengths})));
      const auto loss = cross_entropy(logits, batch.labels);
      tape.backward(loss);
      adam.step();
      loss_sum += static_cast<double>(loss.item()) * static_cast<double>(batch.size());
    }
  }
  CHECK(loss_sum / 200.0 < 0.05);
}
