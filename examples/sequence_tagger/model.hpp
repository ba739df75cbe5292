// The model with its alphabets: words without marks in, words with marks out.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {

using Words = std::vector<std::string>;

// Letters (T,B) -> scores (T B,C) of their forms; each is read with those on both sides.
template <class Layer>
struct Tagger {
  using Scalar = float;
  Vocabulary letters, forms;
  Embedding<float> embedding;
  Dropout<float> dropout;
  Layer layer;
  Linear<float> head;

  Tagger(Vocabulary without_marks, Vocabulary with_marks, Index hidden, Rng& rng)
      : letters(std::move(without_marks)),
        forms(std::move(with_marks)),
        embedding(static_cast<Index>(letters.size()), 32, rng),
        dropout(0.3, rng),
        layer({.input = 32, .hidden = hidden}, {.layers = 2, .bidirectional = true, .dropout = 0.3}, rng),
        head(2 * hidden, static_cast<Index>(forms.size()), rng) {}
  static void each(auto& self, auto&& visit) {
    visit("embedding", self.embedding);
    visit("dropout", self.dropout);
    visit("layer", self.layer);
    visit("head", self.head);
  }

  SequenceDataset<float> encode(const Words& plain, const Words& words) const {
    SequenceDataset<float> data;
    for (std::size_t n = 0; n < plain.size(); ++n) data.add(letters.encode(plain[n]), forms.encode(words[n]));
    return data;
  }
  Var<float> operator()(const Batch<float>& b) const {
    const auto h = dropout(layer(dropout(embedding(b.ids)), {.lengths = b.lengths}).output);
    return head(reshape(h, {-1, static_cast<Index>(layer.output_size())}));
  }
  std::string restore(const std::string& plain) const {
    const auto scores = (*this)(Batches<float>(encode({plain}, {plain})).batch(0));
    std::string word;
    const float* row = scores.data();
    for (const auto letter : characters(plain)) {  // one that is unknown stays as it is
      const std::int64_t best = std::max_element(row, row + forms.size()) - row;
      word += letters.find(letter) ? forms.decode({&best, 1}) : std::string(letter);
      row += forms.size();
    }
    return word;
  }
};

}  // namespace unroll::examples
