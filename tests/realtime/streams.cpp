// Streams must not allocate.
#include "count_calls.hpp"
#include "examples/gallery/slstm.hpp"
#include "examples/gallery/sru.hpp"
#include "layers/layers.hpp"

namespace {

using namespace unroll;

template <class S>
void expect_quiet(const char* what, Stream<S> stream) {
  const Tensor<S> x = full<S>({stream.batch() * stream.input_size()}, S(0.25));
  S sum = 0;
  const long counted = count_calls([&] {
    for (int t = 0; t < 1000; ++t) {
      for (const S y : stream.step({x.data(), x.size()})) sum += y;
      if (t % 100 == 99) stream.reset();
      stream.step({x.data(), x.size() - 1});
    }
  });
  expect(counted == 0 && sum != S(0), what, counted);
}

template <class S>
void expect_quiet_cells(Index batch) {
  Rng rng(1);
  const StreamOptions options{.batch = batch};
  const RecurrentOptions two{.layers = 2};
  const Linear<S> head(17, 3, rng);
  expect_quiet("Rnn", freeze(Rnn<S>({.input = 3, .hidden = 17}, rng), options));
  expect_quiet("Rnn, relu",
               freeze(Rnn<S>({.input = 3, .hidden = 17, .activation = Activation::relu()}, rng), options));
  expect_quiet("Mgu", freeze(Mgu<S>({.input = 3, .hidden = 17}, rng), options));
  expect_quiet("Lstm", freeze(Lstm<S>({.input = 16, .hidden = 64}, rng), options));
  expect_quiet("Lstm, 2 layers, projection",
               freeze(Lstm<S>({.input = 3, .hidden = 300, .projection = 5}, two, rng), options));
  expect_quiet("Gru, 2 layers, head", freeze(Gru<S>({.input = 3, .hidden = 17}, two, rng), head, options));
  expect_quiet("Gru, reset before",
               freeze(Gru<S>({.input = 3, .hidden = 17, .reset = GruReset::before}, rng), options));
  // As programs.
  expect_quiet("Lstm, layer norm",
               freeze(Lstm<S>({.input = 3, .hidden = 300, .layer_norm = true}, two, rng), options));
  expect_quiet("sLSTM", freeze(Recurrent<gallery::SlstmCell<S>>({.input = 3, .hidden = 18, .heads = 3}, rng),
                               options));
  const Sequential model(
      Recurrent<gallery::SruCell<S>>({.input = 3, .hidden = 17}, rng), [](const auto& r) { return r.output; },
      Linear<S>(17, 5, rng), Activation::gelu(), LayerNorm<S>(5), [](const auto& x) { return softmax(x); });
  expect_quiet("Sequential", freeze(model, options));
}

// With ids in place of numbers, and several outputs.
template <class S>
void expect_quiet_ids(Index batch) {
  Rng rng(2);
  Stream<S> stream = freeze(Embedding<S>(9, 4, rng), Lstm<S>({.input = 4, .hidden = 17}, rng),
                            Linear<S>(17, 3, rng), {.batch = batch});
  std::vector<std::int64_t> ids(stream.batch());
  std::vector<S> y(stream.batch() * 3);
  S sum = 0;
  const long counted = count_calls([&] {
    for (int t = 0; t < 1000; ++t) {
      ids[0] = t % 10;  // every tenth is none
      for (const S value : stream.step(ids)) sum += value;
      stream.block(ids, y);
      if (!stream.output("none").empty()) sum = S(0);
    }
  });
  expect(counted == 0 && sum != S(0), "Embedding, Lstm, Linear", counted);
}

}  // namespace

int main() {
  expect_counting();
  for (const Index batch : {1, 3}) {
    expect_quiet_cells<float>(batch);
    expect_quiet_cells<double>(batch);
    expect_quiet_ids<float>(batch);
    expect_quiet_ids<double>(batch);
  }
  return failures == 0 ? 0 : 1;
}
