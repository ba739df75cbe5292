#include "training/models/state_dict.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

#include "framework/errors.hpp"
#include "layers/layers.hpp"

using namespace unroll;

namespace {

const RecurrentOptions kDeep{.layers = 2, .bidirectional = true};

// Outputs of two layers for one random input, which must agree but for rounding.
template <class Layer>
void check_same_outputs(const Layer& a, const Layer& b) {
  Rng rng(9);
  const Var<double> x(random_normal<double>({5, 2, 3}, 0.0, 1.0, rng));
  const auto y = a(x).output.value(), z = b(x).output.value();
  REQUIRE(y.shape() == z.shape());
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::abs(y.data()[i] - z.data()[i]) < 1e-14);
}

}  // namespace

TEST_CASE("two biases become one and the layer computes the same") {
  Rng rng(1);
  const Lstm<double> lstm({.input = 3, .hidden = 4, .projection = 3}, kDeep, rng);
  Lstm<double> single({.input = 3, .hidden = 4, .projection = 3, .bias = Bias::single}, kDeep, rng);
  auto tensors = state_dict(lstm);
  CHECK_THROWS_WITH(load_state_dict(single, tensors), Catch::Contains("unexpected: 'bias_hh_l0'"));
  join_recurrent_biases(tensors);
  load_state_dict(single, tensors);
  check_same_outputs(lstm, single);

  const Rnn<double> rnn({.input = 3, .hidden = 4}, rng);
  Rnn<double> single_rnn({.input = 3, .hidden = 4, .bias = Bias::single}, rng);
  tensors = state_dict(rnn);
  join_recurrent_biases(tensors);
  load_state_dict(single_rnn, tensors);
  check_same_outputs(rnn, single_rnn);
}

TEST_CASE("one bias becomes two and the layer computes the same") {
  Rng rng(1);
  const Gru<double> single({.input = 3, .hidden = 4, .bias = Bias::single}, kDeep, rng);
  Gru<double> both({.input = 3, .hidden = 4}, kDeep, rng);
  auto tensors = state_dict(single);
  split_recurrent_biases(tensors);
  load_state_dict(both, tensors);
  check_same_outputs(single, both);
  join_recurrent_biases(tensors);  // b_hn is zero, so that it can be
  CHECK(tensors.size() == state_dict(single).size());
  for (const auto& [name, tensor] : state_dict(single)) CHECK((tensors.at(name) == tensor));
}

TEST_CASE("the candidate's second bias of a GRU cannot be added to the first") {
  Rng rng(1);
  const Gru<double> gru({.input = 3, .hidden = 4}, rng);
  auto tensors = state_dict(gru, "encoder");
  tensors["lstm.bias_ih_l0"] = ones<double>({8});
  tensors["lstm.bias_hh_l0"] = ones<double>({8});
  tensors["lstm.weight_hh_l0"] = ones<double>({8, 2});
  const auto before = tensors;
  CHECK_THROWS_AS(join_recurrent_biases(tensors), ArgumentError);
  CHECK_THROWS_WITH(join_recurrent_biases(tensors), Catch::Contains("'encoder.bias_hh_l0': expected zeros"));
  CHECK((tensors == before));

  tensors["encoder.bias_hh_l0"] = zeros<double>({12});
  join_recurrent_biases(tensors);
  CHECK((tensors.at("lstm.bias_ih_l0") == full<double>({8}, 2.0)));
  CHECK_FALSE(tensors.contains("lstm.bias_hh_l0"));
}

TEST_CASE("biases that belong to nothing are refused, and other names left alone") {
  TensorMap<double> tensors;
  tensors["a.bias_hh_l0"] = ones<double>({8});
  CHECK_THROWS_WITH(join_recurrent_biases(tensors),
                    Catch::Contains("'a.bias_hh_l0': expected bias_ih and weight_hh"));
  tensors["a.bias_ih_l0"] = ones<double>({6});
  tensors["a.weight_hh_l0"] = ones<double>({8, 2});
  CHECK_THROWS_WITH(join_recurrent_biases(tensors), Catch::Contains("got (8), (6) and (8,2)"));

  tensors.clear();
  for (const std::string name :
       {"bias", "x.bias_ih", "bias_ihl0", "x_bias_ih_l0", "bias_hh_", "weight_hh_l0"}) {
    tensors[name] = ones<double>({2});
  }
  const auto before = tensors;
  join_recurrent_biases(tensors);
  split_recurrent_biases(tensors);
  CHECK((tensors == before));
}
