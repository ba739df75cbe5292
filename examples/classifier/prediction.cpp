#include "examples/classifier/prediction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "examples/support/cells.hpp"
#include "framework/errors.hpp"

namespace unroll::examples::classifier {
namespace {

// What the command line says about the model must agree with the file.
void check_agrees(const Settings& settings, const char* key, const std::optional<std::string>& asked) {
  if (asked && *asked != settings.text(key)) {
    throw FileError(
        fmt::format("{}: want a model with {} {}, got {}", settings.path(), key, *asked, settings.text(key)));
  }
}

// The model's sizes as its weights say, so that a damaged setting cannot ask for more memory than the file
// has.
ModelSizes read_sizes(const ModelFile& file, const Encoding& encoding) {
  constexpr Index kLargest = 1 << 20;
  ModelSizes sizes;
  sizes.hidden = file.settings.number("hidden", 1, kLargest);
  const auto hidden = static_cast<std::size_t>(sizes.hidden);
  weight(file, "head.weight", {encoding.labels.size(), hidden});
  const auto recurrent = file.weights.find("layer.weight_hh_l0");
  if (recurrent == file.weights.end() || recurrent->second.dimension() != 2 ||
      recurrent->second.shape(1) != hidden) {
    file.settings.fail("hidden", "the columns of weights 'layer.weight_hh_l0'", file.settings.text("hidden"));
  }
  if (encoding.is_text()) {
    sizes.embedding = file.settings.number("embedding", 1, kLargest);
    weight(file, "embedding.weight", {encoding.vocabulary.size(), static_cast<std::size_t>(sizes.embedding)});
  }
  return sizes;
}

template <class Layer>
Classifier<Layer> load_model(const ModelFile& file, const Encoding& encoding) {
  Rng rng(0);  // every weight is overwritten
  Classifier<Layer> model(encoding, read_sizes(file, encoding), rng);
  load_weights(model, file);
  set_training(model, false);
  return model;
}

struct Score {
  Index answered = 0, labelled = 0, correct = 0;
};

template <class Model>
void answer(const Model& model, const Encoding& encoding, const Query& query, Score& score) {
  const std::vector<Sample> samples{{query.sequence, 0}};
  const Var<float> p = softmax(model(make_batch(samples, {0}, 0, 1, encoding)));
  const auto best = std::max_element(p.data(), p.data() + p.size()) - p.data();
  fmt::print("{}\t{}\t{:.4f}\n", query.name, encoding.labels[static_cast<std::size_t>(best)], p.data()[best]);
  ++score.answered;
  if (query.label) {
    ++score.labelled;
    score.correct += best == *query.label ? 1 : 0;
  }
}

template <class Layer>
int predict_with(const Options& options, const ModelFile& file, const Encoding& encoding) {
  const auto model = load_model<Layer>(file, encoding);
  Score score;
  if (!options.input.empty()) {
    for (const Query& query : load_queries(options.input, encoding)) answer(model, encoding, query, score);
  } else if (!options.items.empty()) {
    std::vector<Query> queries;
    for (std::size_t i = 0; i < options.items.size(); ++i) {
      queries.push_back(parse_query(options.items[i], fmt::format("item {}", i + 1), encoding));
    }
    for (const Query& query : queries) answer(model, encoding, query, score);
  } else {
    std::string line;
    for (Index number = 1; std::getline(std::cin, line); ++number) {
      if (line.ends_with('\r')) line.pop_back();
      answer(model, encoding, parse_query(line, fmt::format("standard input:{}", number), encoding), score);
      std::fflush(stdout);
    }
    if (score.answered == 0) throw FileError("standard input: want items to classify, one a line, got none");
  }
  if (score.labelled > 0) {
    fmt::print("accuracy {:.2f}% ({} of {})\n",
               100.0 * static_cast<double>(score.correct) / static_cast<double>(score.labelled),
               score.correct, score.labelled);
  }
  return 0;
}

}  // namespace

int predict(const Options& options) {
  const ModelFile file = read_model_file(options.model_path(), "classifier");
  check_agrees(file.settings, "task", options.task_name);
  check_agrees(file.settings, "cell", options.cell_name);
  const Encoding encoding = Encoding::read(file.settings);
  const std::string& cell = file.settings.text("cell");
  if (cell != "rnn" && cell != "lstm" && cell != "gru") file.settings.fail("cell", "rnn, lstm or gru", cell);
  return with_layer(cell, [&]<class Layer>() { return predict_with<Layer>(options, file, encoding); });
}

}  // namespace unroll::examples::classifier
