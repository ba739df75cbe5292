// Sequences to classes: words to their language, rows of pixels to digits, or the user's own file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "examples/classifier/model.hpp"
#include "examples/classifier/onnx.hpp"
#include "examples/classifier/options.hpp"
#include "examples/classifier/prediction.hpp"
#include "examples/support/cells.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples::classifier {
namespace {

Data load(const Options& options) {
  const std::string path = options.data_path();
  switch (options.task()) {
    case Task::words:
      return load_words(path);
    case Task::digits:
      return load_digits(path);
    case Task::own:
      break;
  }
  return load_own(path, options.steps);
}

std::string describe(const Data& data) {
  const Encoding& encoding = data.encoding;
  const std::string form = encoding.letters
                               ? fmt::format("texts of {} letters", encoding.letters->size())
                               : fmt::format("{} steps of {} numbers", encoding.steps, encoding.features);
  return fmt::format("{} train, {} valid, {} test rows; {}\n{} classes: {:.60}\n", data.train.size(),
                     data.valid.size(), data.test.size(), form, encoding.labels->size(),
                     fmt::format("{}", fmt::join(encoding.labels->names(), ", ")));
}

template <class Layer>
int train_and_test(const Options& options, const Data& data) {
  const Recipe recipe = options.recipe();
  Rng rng(options.training.seed);
  Classifier<Layer> model(data.encoding, options.sizes(), rng);
  Metadata metadata{
      {"program", "classifier"}, {"task", to_string(options.task())}, {"cell", options.training.cell}};
  metadata.set("hidden", options.sizes().hidden);
  if (data.encoding.letters) metadata.set("embedding", options.sizes().embedding);
  data.encoding.write(metadata);
  fmt::print("{}{}\n", describe(data), summary(model));
  std::fflush(stdout);

  Batches<float> train(data.train,
                       {.batch_size = recipe.batch, .shuffle = true, .seed = options.training.seed});
  const BatchOptions all{.batch_size = 256};
  Run run(options.training, options.model_path(), recipe, train.size());
  run.save_best(model, metadata);
  Adam<float> adam(parameters(model), {.lr = recipe.lr});
  Trainer trainer(model, adam, CrossEntropyLoss(), run.options, Accuracy());
  const TrainResult result = trainer.fit(train, Batches<float>(data.valid, all));
  if (result.best_epoch > 0) {
    fmt::print("best epoch {} (valid accuracy {:.2f}%), saved in {}\n", result.best_epoch,
               100.0 * result.best_score, options.model_path());
  }
  if (result.interrupted()) {
    fmt::print("interrupted; the test rows were not looked at\n");
    return Interrupt::kExitStatus;
  }
  if (!data.test.empty()) {
    ConfusionMatrix confusion(static_cast<Index>(data.encoding.labels->size()));
    const Batches<float> test(data.test, all);
    for (std::size_t i = 0; i < test.size(); ++i) {
      const auto batch = test.batch(i);
      confusion.update(model(batch).value(), batch.labels);
    }
    fmt::print("test loss {:.4f} accuracy {:.2f}%\n\n{}",
               score(trainer.evaluate(Batches<float>(test)), "loss"), 100.0 * confusion.accuracy(),
               confusion.table(data.encoding.labels->names()));
  }
  if (!options.onnx.empty()) {
    write_onnx(options.onnx, model, metadata);
    fmt::print("\nexported to {}\n", options.onnx);
  }
  return 0;
}

int run(int argc, const char* const* argv) {
  const auto options = parse_options(argc, argv);
  if (!options) return 0;
  if (options->predict) return predict(*options);
  if (!options->onnx.empty()) {
    require_onnx();
    require_writable(options->onnx);
  }
  require_writable(options->model_path());
  const Data data = load(*options);
  return with_layer(options->training.cell,
                    [&]<class Layer>() { return train_and_test<Layer>(*options, data); });
}

}  // namespace
}  // namespace unroll::examples::classifier

int main(int argc, char** argv) {
  return unroll::examples::run_program("classifier",
                                       [&] { return unroll::examples::classifier::run(argc, argv); });
}
