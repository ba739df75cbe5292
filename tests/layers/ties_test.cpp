// Members that are handles to one parameter: in copies, counts, summaries and training.
#include <catch2/catch.hpp>
#include <memory>

#include "framework/errors.hpp"
#include "layers/layers.hpp"
#include "optim/sgd.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

// Tied as a language model is: the head's weight is the embedding's.
template <class S>
struct LanguageModel {
  Embedding<S> embedding;
  Gru<S> encoder;
  Linear<S> head;

  LanguageModel() = default;
  explicit LanguageModel(Rng& rng, RecurrentOptions options = {})
      : embedding(7, 4, rng),
        encoder({.input = 4, .hidden = 4}, std::move(options), rng),
        head(4, 7, rng, {.bias = false}) {
    head.weight = embedding.weight;
  }
  Var<S> operator()(const IndexTensor& ids) const { return head(encoder(embedding(ids)).output); }
  static void each(auto& self, auto&& visit) {
    visit("embedding", self.embedding);
    visit("encoder", self.encoder);
    visit("head", self.head);
  }
};

// Ties over the borders of modules, in a vector of them, and three handles to one parameter.
template <class S>
struct Nested {
  LanguageModel<S> inner;
  std::vector<Linear<S>> more;
  Var<S> scale;
  Nested() = default;
  explicit Nested(Rng& rng) : inner(rng), scale(inner.encoder.cells()[0].bias_ih) {
    more.emplace_back(4, 7, rng);
    more.emplace_back(4, 7, rng);
    for (Linear<S>& linear : more) linear.weight = inner.embedding.weight;
  }
  static void each(auto& self, auto&& visit) {
    visit("inner", self.inner);
    visit("more", self.more);
    visit("scale", self.scale);
  }
};

// A model without a constructor that takes nothing, and with a member that its list has not.
struct Adder {
  Gru<float> gru;
  Linear<float> head;
  double unlisted = 0.0;
  explicit Adder(Rng& rng) : gru({.input = 2, .hidden = 3}, rng), head(3, 1, rng) {}
  Var<float> operator()(const Var<float>& x) const { return head(last(gru(x))); }
  using Scalar = float;
  static void each(auto& self, auto&& visit) {
    visit("gru", self.gru);
    visit("head", self.head);
  }
};

// A member that cannot be copied: such a module is copied through its list.
struct Uncopied {
  Linear<float> linear;
  std::unique_ptr<int> own = nullptr;
  using Scalar = float;
  static void each(auto& self, auto&& visit) { visit("linear", self.linear); }
};

const IndexTensor kIds{{1, 2}, {3, 4}, {6, 0}};  // (T,B)

template <class S>
double train_step(const LanguageModel<S>& model) {
  Sgd<S> sgd(parameters(model), {.lr = 0.5});
  Tape tape;
  const auto loss = mean(square(model(kIds)));
  tape.backward(loss);
  sgd.step();
  return static_cast<double>(loss.item());
}

}  // namespace

TEST_CASE("ties survive clone, share and convert") {
  Rng rng(1);
  const Nested<float> model(rng);
  const auto check_ties = [](const auto& copy) {
    CHECK(copy.inner.head.weight.same_as(copy.inner.embedding.weight));
    CHECK(copy.more[0].weight.same_as(copy.inner.embedding.weight));
    CHECK(copy.more[1].weight.same_as(copy.inner.embedding.weight));
    CHECK(copy.scale.same_as(copy.inner.encoder.cells()[0].bias_ih));
    CHECK_FALSE(copy.more[0].bias.same_as(copy.more[1].bias));
  };
  const Nested<float> copied = clone(model), shared = share(model);
  check_ties(copied);
  check_ties(shared);
  check_ties(convert<double>(model));
  check_ties(convert<float>(model));
  CHECK_FALSE(copied.scale.same_as(model.scale));
  CHECK(copied.scale.value() == model.scale.value());
  CHECK(shared.scale.same_as(model.scale));
}

TEST_CASE("a tied model and its clone train alike") {
  Rng rng(2);
  for (const Index every : {0, 2}) {
    CAPTURE(every);
    const LanguageModel<double> model(rng, {.checkpoint_every = every});
    const LanguageModel<double> copy = clone(model);
    CHECK(train_step(model) == train_step(copy));
    CHECK(model.embedding.weight.value() == copy.embedding.weight.value());
    CHECK(train_step(model) == train_step(copy));
  }
}

TEST_CASE("ties between cells of a recurrent layer survive, and verify takes them") {
  Rng rng(3);
  Lstm<double> lstm({.input = 3, .hidden = 3}, {.layers = 2}, rng);
  lstm.cells()[1].weight_hh = lstm.cells()[0].weight_hh;
  lstm.cells()[1].weight_ih = lstm.cells()[0].weight_hh;  // within one cell, too
  const auto copy = clone(lstm);
  CHECK(copy.cells()[1].weight_hh.same_as(copy.cells()[0].weight_hh));
  CHECK(copy.cells()[1].weight_ih.same_as(copy.cells()[0].weight_hh));
  CHECK(parameter_count(lstm) == 2 * 12 * 3 + 4 * 12);
  const auto report = verify(lstm, random_normal<double>({3, 2, 3}, 0.0, 1.0, rng));
  INFO(report.message);
  CHECK(report);
}

TEST_CASE("a tied parameter is counted once, and the summary says what it is shared with") {
  Rng rng(4);
  const LanguageModel<float> model(rng);
  CHECK(parameter_count(model) == 28 + 2 * 48 + 2 * 12);
  CHECK_THAT(summary(model), Contains("4 -> 7, no bias, weight shared with embedding.weight") &&
                                 Contains(std::to_string(parameter_count(model))));
  const Nested<float> nested(rng);
  CHECK(parameter_count(nested) == 28 + 2 * 48 + 2 * 12 + 2 * 7);
  CHECK_THAT(summary(nested), Contains("(12), shared with inner.encoder.bias_ih_l0"));
}

TEST_CASE("parameters() has a tied parameter once, under its first name; each name is listed") {
  Rng rng(5);
  const LanguageModel<float> model(rng);
  CHECK(parameters(model).size() == 5);
  CHECK(parameters(model, model).size() == 5);
  parameters(model);
  CHECK(model.head.weight.name() == "embedding.weight");
  CHECK(named_parameters(model).back().name == "head.weight");
}

TEST_CASE("parameters() says which member is a constant, and a clone keeps it one") {
  Rng rng(6);
  LanguageModel<float> model(rng);
  model.encoder.cells()[0].bias_hh = model.encoder.cells()[0].bias_hh.detach();
  CHECK_THROWS_WITH(parameters(model), Contains("[parameters] 'encoder.bias_hh_l0': expected a parameter"));
  CHECK_FALSE(clone(model).encoder.cells()[0].bias_hh.requires_grad());
  CHECK_FALSE(convert<double>(model).encoder.cells()[0].bias_hh.requires_grad());
}

TEST_CASE("any module is cloned: constructors and lists of members do not matter") {
  Rng rng(7);
  Adder model(rng);
  model.unlisted = 0.25;
  const Adder copy = clone(model), alias = share(model);
  CHECK(copy.unlisted == 0.25);
  const Var<float> x(ones<float>({4, 1, 2}));
  const Tensor<float> before = model(x).value();
  CHECK((copy(x).value() == before));
  model.head.weight.mutable_value().fill(0.0F);
  CHECK((copy(x).value() == before));
  CHECK((alias(x).value() == model(x).value()));

  const Uncopied uncopied{Linear<float>(2, 3, rng)};
  CHECK((clone(uncopied).linear.weight.value() == uncopied.linear.weight.value()));
  CHECK_FALSE(clone(uncopied).linear.weight.same_as(uncopied.linear.weight));
  CHECK(share(uncopied).linear.weight.same_as(uncopied.linear.weight));

  const Sequential net(Linear<float>(2, 3, rng), [gain = 2.0](const auto& v) { return v * gain; });
  CHECK((clone(net)(x).value() == net(x).value()));
}

TEST_CASE("a module is not copied by accident") {
  Rng rng(8);
  const Adder model(rng);
  CHECK_THROWS_WITH(Adder(model), Contains("expected clone(module)") && Contains("share(module)"));
  CHECK_THROWS_AS(std::vector<Linear<float>>(std::vector<Linear<float>>(2)).at(0).extra_repr(),
                  ArgumentError);
  const Adder copy = clone(model);  // and copies are no more allowed after one that was
  CHECK_THROWS_AS(Adder(copy), ArgumentError);
  // What moves without throwing is moved when a vector grows.
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<Linear<float>>);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<Lstm<double>>);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<LstmCell<float>>);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<Adder>);
  STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<Linear<float>>);
}
