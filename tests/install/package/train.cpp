// A trainer on data from a file, logged for TensorBoard, and the model as an ONNX file.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "training/onnx/onnx.hpp"
#include "training/tensorboard/tensorboard_log.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

using namespace unroll;

int main() {
  {
    std::ofstream file("words.csv");
    file << "word,kind\n";
    for (int k = 0; k < 64; ++k) file << (k % 2 == 0 ? "aab,a\nbaa,a\n" : "bba,b\nabb,b\n");
  }
  const Table rows = read_table("words.csv");
  const auto letters = Vocabulary::of(rows.texts("word"));
  const auto kinds = Labels::of(rows.texts("kind"));
  const auto classes = kinds.encode(rows.texts("kind"));
  SequenceDataset<float> data;
  for (std::size_t i = 0; i < classes.size(); ++i)
    data.add(letters.encode(rows.texts("word")[i]), classes[i]);
  Batches<float> batches(std::move(data), {.batch_size = 16, .shuffle = true, .seed = 1});

  Rng rng(1);
  Sequential model(
      Embedding<float>(static_cast<Index>(letters.size()), 4, rng),
      Lstm<float>({.input = 4, .hidden = 8}, rng), [](const auto& result) { return last(result); },
      Linear<float>(8, 2, rng));
  Adam<float> adam(parameters(model), {.lr = 2e-2});
  TensorBoardLog log("logs");
  const auto loss = [](auto& m, const Batch<float>& batch) {
    const auto scores = m(batch.ids);
    return LossOutput{cross_entropy(scores, batch.labels), scores, batch.labels};
  };
  Trainer trainer(model, adam, loss, {.epochs = 8, .logs = {&log}}, Accuracy());
  trainer.fit(batches);
  const double accuracy = score(trainer.evaluate(batches), "accuracy");
  export_onnx("model.onnx", model, {.input = "ids"});
  std::printf("accuracy %.3f, %zu bytes of ONNX\n", accuracy,
              static_cast<std::size_t>(std::filesystem::file_size("model.onnx")));
  return accuracy > 0.9 ? 0 : 1;
}
