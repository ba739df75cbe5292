// The model: letters through an embedding (numbers as they are), one recurrent layer, its last state to the
// classes.
#pragma once

#include "examples/classifier/data.hpp"
#include "layers/layers.hpp"
#include "training/data/batch.hpp"

namespace unroll::examples::classifier {

struct ModelSizes {
  Index embedding = 0;  // texts only
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

  Classifier(const Encoding& encoding, const ModelSizes& sizes, Rng& rng)
      : reads_letters(encoding.letters.has_value()) {
    Index input = encoding.features;
    if (reads_letters) {
      input = sizes.embedding;
      embedding = Embedding<float>(static_cast<Index>(encoding.letters->size()), input, rng);
    }
    layer = Layer({.input = input, .hidden = sizes.hidden}, rng);
    head = Linear<float>(sizes.hidden, static_cast<Index>(encoding.labels->size()), rng);
    dropout = Dropout<float>(sizes.dropout, rng);
  }

  // Logits (B,classes).
  Var<float> operator()(const Batch<float>& batch) const {
    const Var<float> x = reads_letters ? embedding(batch.ids) : Var<float>(batch.values);
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
