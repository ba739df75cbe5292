// Writes models and what they compute into a folder, for torch_models.py --check.
#include <cstdio>
#include <exception>
#include <string>

#include "tests/training/models/tagger.hpp"
#include "training/models/npz.hpp"
#include "training/models/state_dict.hpp"

using namespace unroll;

namespace {

constexpr Index kSteps = 7, kBatch = 4, kInput = 3, kHidden = 6;

template <class S>
class Writer {
 public:
  Writer(std::string folder, std::string ending) : folder_(std::move(folder)), ending_(std::move(ending)) {}

  template <class Cell>
  void recurrent(const std::string& name, const std::string& kind, const Recurrent<Cell>& layer, bool bias,
                 const std::vector<Index>& lengths, Index projection = 0) {
    Metadata metadata;
    metadata.set("kind", kind);
    metadata.set("input", kInput);
    metadata.set("hidden", kHidden);
    metadata.set("layers", layer.options().layers);
    metadata.set("bidirectional", layer.options().bidirectional);
    metadata.set("bias", bias);
    metadata.set("projection", projection);
    const Tensor<S> x = input();
    const auto result = layer(Var<S>(x), {.lengths = lengths});
    NpzWriter data = save(name, layer, metadata);
    data.add("input", x);
    if (!lengths.empty()) {
      IndexTensor steps(Shape{lengths.size()});
      std::copy(lengths.begin(), lengths.end(), steps.data());
      data.add("lengths", steps);
    }
    data.add("output", result.output.value());
    std::vector<Var<S>> h, c;
    for (const auto& state : result.states) {
      h.push_back(hidden_of<S>(state));
      if constexpr (requires { state.c; }) c.push_back(state.c);
    }
    data.add("h_n", stack(h, 0).value());
    if (!c.empty()) data.add("c_n", stack(c, 0).value());
    data.commit();
  }

  template <class Layer, class Input>
  void plain(const std::string& name, const Layer& layer, Metadata metadata, const Input& in,
             const Var<S>& output) {
    NpzWriter data = save(name, layer, metadata);
    data.add("input", in);
    data.add("output", output.value());
    data.commit();
  }

  void all() {
    const RecurrentOptions deep{.layers = 2, .bidirectional = true};
    const std::vector<Index> ragged{5, 7, 1, 3};
    const CellSizes n{kInput, kHidden};
    recurrent("rnn_tanh", "rnn_tanh", Rnn<S>({.input = n.input, .hidden = n.hidden}, rng_), true, {});
    recurrent("rnn_relu", "rnn_relu",
              Rnn<S>({.input = n.input, .hidden = n.hidden, .activation = Activation::relu()}, deep, rng_),
              true, ragged);
    recurrent("lstm", "lstm", Lstm<S>({.input = n.input, .hidden = n.hidden}, rng_), true, {});
    recurrent("lstm_no_bias", "lstm",
              Lstm<S>({.input = n.input, .hidden = n.hidden, .bias = Bias::none}, rng_), false, {});
    recurrent("lstm_deep", "lstm", Lstm<S>({.input = n.input, .hidden = n.hidden}, deep, rng_), true, ragged);
    recurrent("lstm_projection", "lstm",
              Lstm<S>({.input = n.input, .hidden = n.hidden, .projection = 2}, deep, rng_), true, ragged, 2);
    recurrent("gru", "gru", Gru<S>({.input = n.input, .hidden = n.hidden}, rng_), true, {});
    recurrent("gru_deep", "gru", Gru<S>({.input = n.input, .hidden = n.hidden}, deep, rng_), true, ragged);

    const Tensor<S> x = input();
    const Linear<S> linear(kInput, 5, rng_);
    plain("linear", linear, {{"kind", "linear"}, {"input", "3"}, {"output", "5"}}, x, linear(Var<S>(x)));
    LayerNorm<S> norm(kInput);
    norm.weight.mutable_value() = random_normal<S>({kInput}, 1.0, 0.5, rng_);
    norm.bias.mutable_value() = random_normal<S>({kInput}, 0.0, 0.5, rng_);
    plain("layer_norm", norm, {{"kind", "layer_norm"}, {"input", "3"}}, x, norm(Var<S>(x)));
    const IndexTensor ids{{0, 8, 3}, {5, 5, 1}};
    const Embedding<S> embedding(9, 4, rng_);
    plain("embedding", embedding, {{"kind", "embedding"}, {"input", "9"}, {"output", "4"}}, ids,
          embedding(ids));
    const Tagger<S> tagger(9, 4, kHidden, 5, rng_);
    plain("tagger", tagger,
          {{"kind", "tagger"}, {"words", "9"}, {"input", "4"}, {"hidden", "6"}, {"output", "5"}}, ids,
          tagger(ids));
  }

 private:
  Tensor<S> input() { return random_normal<S>({kSteps, kBatch, kInput}, 0.0, 1.0, rng_); }

  // Writes the model; the file beside it is for the numbers.
  template <class M>
  NpzWriter save(const std::string& name, const M& model, const Metadata& metadata) {
    const std::string path = folder_ + "/" + name + (sizeof(S) == 4 ? "_float" : "_double");
    save_model(path + ending_, model, metadata);
    return NpzWriter(path + ".data.npz", {.compress = true});
  }

  std::string folder_, ending_;
  Rng rng_{5};
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return std::fputs("usage: unroll_models_for_torch FOLDER\n", stderr), 2;
  try {
    Writer<double>(arguments[1], ".safetensors").all();
    Writer<float>(arguments[1], ".npz").all();
    return 0;
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "%s\n", error.what()), 1;
  }
}
