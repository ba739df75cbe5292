#include "examples/classifier/prediction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "examples/classifier/model.hpp"
#include "examples/support/cells.hpp"
#include "framework/errors.hpp"
#include "training/data/batches.hpp"
#include "training/models/state_dict.hpp"

namespace unroll::examples::classifier {
namespace {

// The sizes as the weights say, so that a damaged text cannot ask for more memory than the file has.
ModelSizes read_sizes(const Metadata& metadata, const std::string& path) {
  const auto file = open_tensors(path);
  const auto size = [&](const char* key, const char* tensor) {
    const Index want = metadata.number(key, 1, 1 << 20);
    const Shape& shape = file->info(tensor).shape;
    if (shape.size() != 2 || static_cast<Index>(shape[1]) != want)
      metadata.fail(key, fmt::format("the columns of '{}' {}", tensor, to_string(shape)), metadata.text(key));
    return want;
  };
  return {.embedding = metadata.contains("vocabulary") ? size("embedding", "embedding.weight") : 0,
          .hidden = size("hidden", "layer.weight_hh_l0")};
}

template <class Layer>
int predict_with(const Options& options, const Metadata& metadata) {
  const Encoding encoding = Encoding::read(metadata);
  Rng rng(0);  // every weight is overwritten
  Classifier<Layer> model(encoding, read_sizes(metadata, options.model_path()), rng);
  load_model(options.model_path(), model, {.finite = true});
  set_training(model, false);
  std::size_t answered = 0, labelled = 0, correct = 0;
  const auto answer = [&](const Row& row) {
    const std::int64_t label = row.label.empty() ? -1 : encoding.label(row);
    SequenceDataset<float> data;
    encoding.add(data, row, 0);
    const Var<float> p = softmax(model(Batches<float>(data).batch(0)));
    const auto best = std::max_element(p.data(), p.data() + p.size()) - p.data();
    fmt::print("{}\t{}\t{:.4f}\n", encoding.letters ? row.text : row.where, encoding.labels->name(best),
               p.data()[best]);
    answered += 1;
    labelled += label >= 0 ? 1 : 0;
    correct += best == label ? 1 : 0;
  };
  if (!options.input.empty()) {
    for (const Row& row : load_queries(options.input, encoding)) answer(row);
  } else if (!options.items.empty()) {
    for (std::size_t i = 0; i < options.items.size(); ++i)
      answer(parse_query(options.items[i], fmt::format("item {}", i + 1), encoding));
  } else {
    std::string line;
    for (Index number = 1; std::getline(std::cin, line); ++number) {
      if (line.ends_with('\r')) line.pop_back();
      answer(parse_query(line, fmt::format("standard input:{}", number), encoding));
      std::fflush(stdout);
    }
    if (answered == 0) throw FileError("standard input: want items to classify, one a line, got none");
  }
  if (labelled > 0) {
    fmt::print("accuracy {:.2f}% ({} of {})\n",
               100.0 * static_cast<double>(correct) / static_cast<double>(labelled), correct, labelled);
  }
  return 0;
}

}  // namespace

int predict(const Options& options) {
  const Metadata metadata = load_metadata(options.model_path());
  metadata.require("program", "classifier");
  if (options.task_name) metadata.require("task", *options.task_name);
  if (options.cell_name) metadata.require("cell", *options.cell_name);
  const std::string& cell = metadata.text("cell");
  if (cell != "rnn" && cell != "lstm" && cell != "gru") metadata.fail("cell", "rnn, lstm or gru", cell);
  return with_layer(cell, [&]<class Layer>() { return predict_with<Layer>(options, metadata); });
}

}  // namespace unroll::examples::classifier
