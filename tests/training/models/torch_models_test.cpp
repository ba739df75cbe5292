// Files that PyTorch wrote (torch_models.py): loaded strictly, outputs compared.
#include <catch2/catch.hpp>

#include <cmath>

#include "framework/errors.hpp"
#include "tests/training/models/folder.hpp"
#include "tests/training/models/tagger.hpp"
#include "training/models/state_dict.hpp"

using namespace unroll;
using namespace models_test;

namespace {

constexpr Index kInput = 4, kHidden = 5;
const RecurrentOptions kDeep{.layers = 2, .bidirectional = true};

template <class S>
constexpr const char* kType = sizeof(S) == 4 ? "float." : "double.";

// Relative to numbers of size 1: 1e-12 in double, 1e-5 in float.
template <class S>
void check_near(const Tensor<S>& got, const Tensor<S>& want) {
  REQUIRE(got.shape() == want.shape());
  const double tolerance = sizeof(S) == 4 ? 1e-5 : 1e-12;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto a = static_cast<double>(got.data()[i]), b = static_cast<double>(want.data()[i]);
    if (!(std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b)))) {
      CAPTURE(i, a, b);
      FAIL_CHECK("outputs differ");
    }
  }
}

// The file's model, loaded strictly; every tensor of it is used, and no other.
template <class M>
void load(TensorFile& file, M& model) {
  const LoadReport report = load_state_dict(model, file, {.prefix = "model"});
  CHECK(report.missing.empty());
  CHECK(report.unexpected.empty());
}

template <class Cell>
void check_recurrent(const std::string& name, Recurrent<Cell> layer) {
  using S = typename Recurrent<Cell>::S;
  const auto file = open_tensors(data_file(name));
  load(*file, layer);
  std::vector<Index> lengths;
  if (file->contains("lengths")) {
    const auto steps = file->read<std::int64_t>("lengths");
    lengths.assign(steps.data(), steps.data() + steps.size());
  }
  const std::string type = kType<S>;
  for (const Path path : {Path::fused, Path::tape}) {
    CAPTURE(name, type, to_string(path));
    layer.set_path(path);
    const auto [output, states] = layer(Var<S>(file->read<S>("input")), {.lengths = lengths});
    check_near(output.value(), file->read<S>(type + "output"));
    std::vector<Var<S>> h, c;
    for (const auto& state : states) {
      h.push_back(hidden_of<S>(state));
      if constexpr (requires { state.c; }) c.push_back(state.c);
    }
    check_near(stack(h).value(), file->read<S>(type + "h_n"));
    if (!c.empty()) check_near(stack(c).value(), file->read<S>(type + "c_n"));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("PyTorch's recurrent layers are loaded and give its outputs", "", float, double) {
  using S = TestType;
  Rng rng(1);
  check_recurrent("rnn_tanh.safetensors", Rnn<S>({.input = kInput, .hidden = kHidden}, rng));
  check_recurrent("rnn_relu_2layer_bidir_ragged.safetensors",
                  Rnn<S>({.input = kInput, .hidden = kHidden, .activation = Activation::relu()}, kDeep, rng));
  check_recurrent("lstm.safetensors", Lstm<S>({.input = kInput, .hidden = kHidden}, rng));
  check_recurrent("lstm_no_bias.safetensors",
                  Lstm<S>({.input = kInput, .hidden = kHidden, .bias = Bias::none}, rng));
  check_recurrent("lstm_2layer_bidir_ragged.safetensors",
                  Lstm<S>({.input = kInput, .hidden = kHidden}, kDeep, rng));
  check_recurrent("lstm_proj_2layer_bidir_ragged.safetensors",
                  Lstm<S>({.input = kInput, .hidden = kHidden, .projection = 3}, kDeep, rng));
  check_recurrent("gru.npz", Gru<S>({.input = kInput, .hidden = kHidden}, rng));
  check_recurrent("gru_3layer_bidir_ragged.safetensors",
                  Gru<S>({.input = kInput, .hidden = kHidden}, {.layers = 3, .bidirectional = true}, rng));
}

TEMPLATE_TEST_CASE("PyTorch's Linear, LayerNorm and Embedding are loaded and give its outputs", "", float,
                   double) {
  using S = TestType;
  const std::string output = std::string(kType<S>) + "output";
  Rng rng(1);
  Linear<S> linear(kInput, 7, rng);
  auto file = open_tensors(data_file("linear.safetensors"));
  load(*file, linear);
  check_near(linear(Var<S>(file->template read<S>("input"))).value(), file->template read<S>(output));

  LayerNorm<S> norm(kInput);
  file = open_tensors(data_file("layer_norm.safetensors"));
  load(*file, norm);
  check_near(norm(Var<S>(file->template read<S>("input"))).value(), file->template read<S>(output));

  Embedding<S> embedding(9, kInput, rng);
  file = open_tensors(data_file("embedding.safetensors"));
  load(*file, embedding);
  check_near(embedding(file->template read<std::int64_t>("input")).value(), file->template read<S>(output));
}

TEMPLATE_TEST_CASE("a PyTorch module of several layers is loaded and gives its outputs", "", float, double) {
  using S = TestType;
  Rng rng(1);
  Tagger<S> tagger(11, kInput, kHidden, 6, rng);
  const auto file = open_tensors(data_file("tagger.npz"));
  load(*file, tagger);
  check_near(tagger(file->template read<std::int64_t>("input")).value(),
             file->template read<S>(std::string(kType<S>) + "output"));
}

TEST_CASE("another model than the file's is refused") {
  Rng rng(1);
  const LoadOptions options{.prefix = "model"};
  Lstm<float> shallow({.input = kInput, .hidden = kHidden}, rng);
  CHECK_THROWS_WITH(load_model(data_file("lstm_2layer_bidir_ragged.safetensors"), shallow, options),
                    Catch::Contains("unexpected: 'model.bias_hh_l0_reverse' F32 (20), 'model.bias_hh_l1'"));
  Gru<float> gru({.input = kInput, .hidden = kHidden}, rng);
  CHECK_THROWS_WITH(
      load_model(data_file("lstm.safetensors"), gru, options),
      Catch::Contains("misshapen: 'weight_ih_l0' (there 'model.weight_ih_l0'): expected (15,4), got (20,4)"));
  Lstm<float> biased({.input = kInput, .hidden = kHidden}, rng);
  CHECK_THROWS_WITH(load_model(data_file("lstm_no_bias.safetensors"), biased, options),
                    Catch::Contains("missing: 'bias_ih_l0' (20), 'bias_hh_l0' (20)"));
}

TEST_CASE("half-precision tensors that PyTorch wrote are what PyTorch makes of them") {
  const auto file = open_tensors(data_file("types.safetensors"));
  for (const std::string name : {"f16", "bf16"}) {
    const auto got = file->read<float>(name), want = file->read<float>(name + ".float");
    REQUIRE(got.size() == 50);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const float a = got.data()[i], b = want.data()[i];
      CHECK((std::isnan(b) ? std::isnan(a) : a == b && std::signbit(a) == std::signbit(b)));
    }
  }
  const auto i64 = file->read<std::int64_t>("i64");
  CHECK(i64(0) == std::numeric_limits<std::int64_t>::min());
  CHECK(i64(1) == std::numeric_limits<std::int64_t>::max());
  CHECK((file->read<std::int64_t>("i32") == IndexTensor{-5, 6}));
  CHECK((file->read<float>("u8") == Tensor<float>{0.0F, 255.0F}));
  CHECK((file->read<bool>("bool") == Mask{true, false, true}));
}
