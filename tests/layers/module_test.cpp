#include "layers/module.hpp"

#include <catch2/catch.hpp>

#include "layers/layers.hpp"

using namespace unroll;

namespace {

// A user's model: nested modules, a vector of modules, a parameter of its own.
template <class S>
struct Model {
  Embedding<S> letters;
  Lstm<S> encoder;
  std::vector<Linear<S>> heads;
  Var<S> scale;

  Model() = default;
  explicit Model(Rng& rng)
      : letters(7, 3, rng, {.padding_id = 0}),
        encoder({.input = 3, .hidden = 5}, {.layers = 2, .bidirectional = true, .dropout = 0.25}, rng),
        scale(parameter(full<S>({2}, S(0.5)))) {
    heads.emplace_back(10, 2, rng);
    heads.emplace_back(10, 2, rng, LinearOptions{.bias = false});
  }
  Var<S> operator()(const IndexTensor& ids) const {
    const Var<S> h = last(encoder(letters(ids)));
    return heads[0](h) * scale + heads[1](h);
  }
  static void each(auto& self, auto&& visit) {
    visit("letters", self.letters);
    visit("encoder", self.encoder);
    visit("heads", self.heads);
    visit("scale", self.scale);
  }
};

const IndexTensor kIds{{1, 2, 3}, {4, 5, 6}, {6, 0, 1}, {2, 2, 5}};  // (T,B)

}  // namespace

TEST_CASE("parameters have PyTorch's dotted names and shapes") {
  Rng rng(1);
  const Model<float> model(rng);
  std::vector<std::string> names;
  for (const auto& [name, var] : named_parameters(model))
    names.push_back(name + " " + to_string(var.shape()));
  CHECK(names == std::vector<std::string>{"letters.weight (7,3)",
                                          "encoder.weight_ih_l0 (20,3)",
                                          "encoder.weight_hh_l0 (20,5)",
                                          "encoder.bias_ih_l0 (20)",
                                          "encoder.bias_hh_l0 (20)",
                                          "encoder.weight_ih_l0_reverse (20,3)",
                                          "encoder.weight_hh_l0_reverse (20,5)",
                                          "encoder.bias_ih_l0_reverse (20)",
                                          "encoder.bias_hh_l0_reverse (20)",
                                          "encoder.weight_ih_l1 (20,10)",
                                          "encoder.weight_hh_l1 (20,5)",
                                          "encoder.bias_ih_l1 (20)",
                                          "encoder.bias_hh_l1 (20)",
                                          "encoder.weight_ih_l1_reverse (20,10)",
                                          "encoder.weight_hh_l1_reverse (20,5)",
                                          "encoder.bias_ih_l1_reverse (20)",
                                          "encoder.bias_hh_l1_reverse (20)",
                                          "heads.0.weight (2,10)",
                                          "heads.0.bias (2)",
                                          "heads.1.weight (2,10)",
                                          "scale (2)"});
  CHECK(parameter_count(model) == 1145);
}

TEST_CASE("parameters() labels each parameter for error messages") {
  Rng rng(1);
  const Linear<float> a(2, 3, rng);
  const Linear<float> b(3, 4, rng);
  const auto list = parameters(a, b);
  REQUIRE(list.size() == 4);
  CHECK(list[2].name() == "1.weight");
  CHECK(parameters(a)[1].name() == "bias");
}

TEST_CASE("the summary lists layers, shapes and parameter counts") {
  Rng rng(1);
  const std::string text = summary(Model<float>(rng));
  INFO(text);
  CHECK(text.find("encoder") != std::string::npos);
  CHECK(text.find("3 -> 10, 2 layers, both directions, path fused") != std::string::npos);
  CHECK(text.find("1,145") != std::string::npos);  // the total
}

TEST_CASE("a clone computes the same and trains apart, a share trains along") {
  Rng rng(2);
  Model<double> model(rng);
  set_training(model, false);
  const Tensor<double> before = model(kIds).value();
  Model<double> copy = clone(model);
  Model<double> alias = share(model);
  CHECK_FALSE(copy.encoder.training);
  CHECK((copy(kIds).value() == before));
  model.heads[0].weight.mutable_value().fill(0.0);
  CHECK((copy(kIds).value() == before));
  CHECK((alias(kIds).value() == model(kIds).value()));
  CHECK((alias(kIds).value() != before));
}

TEST_CASE("a model moves between float and double") {
  Rng rng(3);
  Model<float> model(rng);
  set_training(model, false);
  const Model<double> precise = convert<double>(model);
  const Tensor<float> a = model(kIds).value();
  const Tensor<double> b = precise(kIds).value();
  REQUIRE(a.shape() == b.shape());
  for (std::size_t i = 0; i < a.size(); ++i)
    CHECK(static_cast<double>(a.data()[i]) == Approx(b.data()[i]).epsilon(1e-5));
  CHECK((convert<float>(precise)(kIds).value() == a));
}

TEST_CASE("set_training reaches nested dropout") {
  Rng rng(4);
  Model<float> model(rng);
  CHECK(model.encoder.training);
  CHECK((model(kIds).value() != model(kIds).value()));
  set_training(model, false);
  CHECK_FALSE(model.encoder.training);
  CHECK((model(kIds).value() == model(kIds).value()));
}

TEST_CASE("a sequential container applies, names and converts its parts") {
  Rng rng(5);
  const Sequential net(
      Linear<double>(3, 4, rng), [](const auto& x) { return tanh(x); }, Linear<double>(4, 2, rng));
  const Var<double> x(random_normal<double>({5, 3}, 0.0, 1.0, rng));
  const auto& [first, second] = std::pair(named_parameters(net)[0], named_parameters(net)[2]);
  CHECK(first.name == "0.weight");
  CHECK(second.name == "2.weight");
  const Var<double> want = linear(tanh(linear(x, first.var, named_parameters(net)[1].var)), second.var,
                                  named_parameters(net)[3].var);
  CHECK((net(x).value() == want.value()));
  const auto single = convert<float>(net);
  const Var<float> y = single(Var<float>(convert_tensor<float>(x.value())));
  CHECK(static_cast<double>(y.data()[9]) == Approx(want.data()[9]).epsilon(1e-5));
}
