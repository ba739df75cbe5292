// The model: letters through an embedding (numbers as they are), one recurrent layer, its last state to the
// classes.
#pragma once

#include "examples/classifier/batches.hpp"
#include "layers/dropout.hpp"
#include "layers/embedding.hpp"
#include "layers/linear.hpp"
#include "layers/recurrent.hpp"

namespace unroll::examples::classifier {

struct ModelSizes {
  Index embedding = 0;  // text only
  Index hidden = 0;
  double dropout = 0.0;  // on the layer's input and its last state, while training
};

// Layer is Rnn<float>, Lstm<float> or Gru<float>.
template <class Layer>
struct Classifier {
  using Scalar = float;
  bool reads_letters = false;
  Embedding<float> embedding;  // of letters
  Dropout<float> dropout;
  Layer layer;
  Linear<float> head;

  Classifier() = default;
  Classifier(const Encoding& encoding, const ModelSizes& sizes, Rng& rng)
      : reads_letters(encoding.is_text()) {
    Index input = encoding.features;
    if (reads_letters) {
      input = sizes.embedding;
      embedding = Embedding<float>(static_cast<Index>(encoding.vocabulary.size()), input, rng);
    }
    layer = Layer({.input = input, .hidden = sizes.hidden}, rng);
    head = Linear<float>(sizes.hidden, static_cast<Index>(encoding.labels.size()), rng);
    dropout = Dropout<float>(sizes.dropout, rng);
  }

  // Logits (B,classes).
  Var<float> operator()(const Batch& batch) const {
    const Var<float> x = reads_letters ? embedding(batch.letters) : Var<float>(batch.values);
    return head(dropout(last(layer(dropout(x), {.lengths = batch.lengths}))));
  }

  static void each(auto& self, auto&& visit) {
    visit("reads_letters", self.reads_letters);
    if (self.reads_letters) visit("embedding", self.embedding);
    visit("dropout", self.dropout);
    visit("layer", self.layer);
    visit("head", self.head);
  }
};

}  // namespace unroll::examples::classifier
