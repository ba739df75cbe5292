// A model of several layers, with PyTorch's twin in torch_models.py.
#pragma once

#include "layers/layers.hpp"

template <class S>
struct Tagger {
  unroll::Embedding<S> embedding;
  unroll::LayerNorm<S> norm;
  unroll::Lstm<S> encoder;
  unroll::Gru<S> decoder;
  unroll::Linear<S> head;

  Tagger() = default;
  Tagger(unroll::Index words, unroll::Index size, unroll::Index hidden, unroll::Index tags, unroll::Rng& rng)
      : embedding(words, size, rng),
        norm(size),
        encoder({.input = size, .hidden = hidden}, {.layers = 2, .bidirectional = true}, rng),
        decoder({.input = 2 * hidden, .hidden = hidden}, rng),
        head(hidden, tags, rng) {}

  unroll::Var<S> operator()(const unroll::IndexTensor& ids) const {
    return head(decoder(encoder(norm(embedding(ids))).output).output);
  }
  static void each(auto& self, auto&& visit) {
    visit("embedding", self.embedding);
    visit("norm", self.norm);
    visit("encoder", self.encoder);
    visit("decoder", self.decoder);
    visit("head", self.head);
  }
};
