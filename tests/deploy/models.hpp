// Models of every kind, for export_c: with and without a state, an embedding and several outputs.
#pragma once

#include "deploy/export_c.hpp"
#include "examples/gallery/indrnn.hpp"
#include "examples/gallery/mingru.hpp"
#include "examples/gallery/slstm.hpp"
#include "examples/gallery/sru.hpp"
#include "layers/layers.hpp"
#include "tests/layers/minimal_gated_unit.hpp"

namespace unroll::test {

// Calls f(name, freeze's and export_c's arguments...) for each.
template <class S, class F>
void for_each_model(F&& f) {
  Rng rng(7);
  const auto cell = [&]<class Cell>(const char* name, std::type_identity<Cell>,
                                    typename Recurrent<Cell>::CellOptions options,
                                    RecurrentOptions more = {}) {
    options.input = 3;
    if (options.hidden == 0) options.hidden = 6;
    f(name, Recurrent<Cell>(options, more, rng));
  };
  using std::type_identity;
  cell("rnn", type_identity<RnnCell<S>>(), {.hidden = 33, .activation = Activation::relu()});
  cell("lstm", type_identity<LstmCell<S>>(), {.hidden = 16});
  cell("lstm_options", type_identity<LstmCell<S>>(), {.projection = 4, .peepholes = true, .coupled = true},
       {.layers = 2, .learn_initial_states = true});
  cell("lstm_norm", type_identity<LstmCell<S>>(), {.layer_norm = true});
  cell("gru", type_identity<GruCell<S>>(), {.hidden = 32}, {.layers = 2});
  cell("gru_before", type_identity<GruCell<S>>(),
       {.reset = GruReset::before, .activation = Activation::elu()});
  cell("mgu", type_identity<MinimalGatedUnit<S>>(), {});
  cell("mingru", type_identity<gallery::MinGruCell<S>>(), {});
  cell("indrnn", type_identity<gallery::IndRnnCell<S>>(), {});
  cell("sru", type_identity<gallery::SruCell<S>>(), {.use_tanh = true});
  cell("slstm", type_identity<gallery::SlstmCell<S>>(), {.heads = 2});
  f("head", Lstm<S>({.input = 3, .hidden = 64}, rng), Linear<S>(64, 1, rng));
  f("words", Embedding<S>(11, 4, rng), Gru<S>({.input = 4, .hidden = 5}, rng), Linear<S>(5, 11, rng));
}

}  // namespace unroll::test
