// Groups of parameters with options of their own.
#include <catch2/catch.hpp>
#include <type_traits>
#include <vector>

#include "framework/errors.hpp"
#include "tests/optim/gradients.hpp"
#include "tests/optim/optimizer_table.hpp"

using namespace unroll;
using optimizer_table::same_bits;

namespace {

// What a small model's parameters() would be.
template <class S>
std::vector<Var<S>> model_parameters(std::uint64_t seed) {
  Rng rng(seed);
  const auto make = [&](const Shape& shape, const char* name) {
    return parameter(random_normal<S>(shape, 0.0, 1.0, rng), name);
  };
  return {make({5, 3}, "embedding.weight"), make({8, 3}, "lstm.weight_ih_l0"), make({8}, "lstm.bias_ih_l0"),
          make({2, 4}, "head.weight"), make({2}, "head.bias")};
}

// Random gradients for all, from a seed for the step.
template <class S>
void set_gradients(Tape& tape, const std::vector<Var<S>>& parameters, std::uint64_t seed) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Rng rng(100 * seed + i);
    set_gradient(tape, parameters[i], random_normal<S>(parameters[i].shape(), 0.0, 1.0, rng));
  }
}

template <class S>
std::vector<Var<S>> pick(const std::vector<Var<S>>& list, const std::vector<std::size_t>& places) {
  std::vector<Var<S>> result;
  for (const std::size_t i : places) result.push_back(list[i]);
  return result;
}

}  // namespace

TEST_CASE("biases without weight decay and the embedding with a smaller rate, in three lines") {
  auto rest = model_parameters<float>(3);
  AdamW<float> adam({{take_named(rest, "bias"), {.lr = 3e-3, .weight_decay = 0.0}},
                     {take_named(rest, "embedding"), {.lr = 3e-4}},
                     {rest, {.lr = 3e-3}}});
  REQUIRE(adam.group_count() == 3);
  std::vector<std::string> names;
  for (const auto& p : adam.parameters()) names.push_back(p.name());
  CHECK(names == std::vector<std::string>{"lstm.bias_ih_l0", "head.bias", "embedding.weight",
                                          "lstm.weight_ih_l0", "head.weight"});
  CHECK(adam.options(0).weight_decay == 0.0);
  CHECK(adam.options(1).lr == 3e-4);
  CHECK(adam.options(2).weight_decay == 1e-2);
  REQUIRE(adam.parameters(1).size() == 1);
  CHECK(adam.parameters(1)[0].name() == "embedding.weight");
  CHECK(adam.parameters(2)[1].name() == "head.weight");
  const CosineSchedule schedule{.lr = 1.0, .period = 50};
  adam.scale_lr(schedule(25));
  CHECK(adam.lr(0) == Approx(1.5e-3).epsilon(1e-14));
  CHECK(adam.lr(1) == Approx(1.5e-4).epsilon(1e-14));
}

TEST_CASE("every group steps as an optimizer of its own would") {
  const AdamOptions slow{.lr = 0.01, .beta1 = 0.5}, decayed{.lr = 0.1, .weight_decay = 0.3},
      ams{.lr = 0.2, .beta2 = 0.6, .amsgrad = true};
  const auto together = model_parameters<double>(5), apart = model_parameters<double>(5);
  Adam<double> adam(
      {{pick(together, {2, 4}), slow}, {pick(together, {0}), decayed}, {pick(together, {1, 3}), ams}});
  Adam<double> first(pick(apart, {2, 4}), slow), second(pick(apart, {0}), decayed),
      third(pick(apart, {1, 3}), ams);
  for (std::uint64_t t = 1; t <= 4; ++t) {
    Tape tape;
    set_gradients(tape, together, t);
    set_gradients(tape, apart, t);
    adam.step();
    first.step();
    second.step();
    third.step();
  }
  CHECK(adam.step_count() == 4);
  for (std::size_t i = 0; i < together.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bits(together[i].value(), apart[i].value()));
  }
}

TEST_CASE("a step of several groups skips a group without gradients and changes no gradient") {
  const auto p = model_parameters<double>(6);
  Sgd<double> sgd({{pick(p, {0, 1}), {.lr = 0.1, .momentum = 0.9}}, {pick(p, {2}), {.lr = 0.2}}});
  const Tensor<double> untouched = p[2].value(), before = p[0].value();
  Tape tape;
  set_gradient(tape, p[0], ones<double>({5, 3}));
  const Tensor<double> gradient = p[0].grad();
  sgd.step();
  CHECK(same_bits(p[2].value(), untouched));
  CHECK(same_bits(p[0].grad(), gradient));
  CHECK_FALSE(same_bits(p[0].value(), before));
}

TEST_CASE("a parameter in two groups is an error that names it") {
  const auto p = model_parameters<double>(7);
  using Groups = std::vector<ParameterGroup<double, SgdOptions>>;
  CHECK_THROWS_AS(Sgd<double>(Groups{{pick(p, {0, 3})}, {pick(p, {1})}, {pick(p, {2, 3})}}), ArgumentError);
  CHECK_THROWS_WITH(Sgd<double>(Groups{{pick(p, {0, 3})}, {pick(p, {1})}, {pick(p, {2, 3})}}),
                    Catch::Contains("[Sgd] parameter 'head.weight': expected one group, got groups 0 and 2"));
  CHECK_NOTHROW(Sgd<double>(Groups{{pick(p, {0, 3, 3})}, {pick(p, {1})}}));  // tied in one group
}

TEST_CASE("groups are checked one by one") {
  const auto p = model_parameters<double>(8);
  using Groups = std::vector<ParameterGroup<double, AdamOptions>>;
  CHECK_THROWS_WITH(Adam<double>(Groups{}),
                    Catch::Contains("[Adam] groups: expected at least one, got none"));
  CHECK_THROWS_WITH(Adam<double>(Groups{{p, {}}, {{}, {}}}), Catch::Contains("got none in group 1"));
  CHECK_THROWS_WITH(Adam<double>(Groups{{pick(p, {0}), {}}, {pick(p, {1}), {.beta2 = 1.0}}}),
                    Catch::Contains("[Adam] beta2"));
  CHECK_THROWS_WITH(Adam<double>(Groups{{pick(p, {0}), {}}, {{p[1], Var<double>()}, {}}}),
                    Catch::Contains("an empty handle at position 1"));
}

TEST_CASE("take_named takes by a part of the name and keeps the order") {
  auto rest = model_parameters<double>(9);
  const auto biases = take_named(rest, "bias");
  REQUIRE(biases.size() == 2);
  CHECK(biases[0].name() == "lstm.bias_ih_l0");
  REQUIRE(rest.size() == 3);
  CHECK(rest[0].name() == "embedding.weight");
  CHECK(rest[2].name() == "head.weight");
  CHECK_THROWS_WITH(take_named(rest, "bias"), Catch::Contains("[take_named]") && Catch::Contains("'bias'") &&
                                                  Catch::Contains("none of 3 names"));
  CHECK(rest.size() == 3);
}

TEST_CASE("a group's options are read and changed by its number") {
  const auto p = model_parameters<double>(10);
  Sgd<double> sgd({{pick(p, {0}), {.lr = 0.5, .momentum = 0.9}}, {pick(p, {1}), {.lr = 0.25}}});
  CHECK(sgd.lr() == 0.5);
  CHECK(sgd.lr(1) == 0.25);
  sgd.set_lr(0.125, 1);
  CHECK(sgd.lr(0) == 0.5);
  CHECK(sgd.options(1).lr == 0.125);
  SgdOptions options = sgd.options(0);
  options.momentum = 0.5;
  sgd.set_options(options, 0);
  CHECK(sgd.options(0).momentum == 0.5);
  CHECK_THROWS_WITH(sgd.set_options(options, 1),
                    Catch::Contains("[Sgd.set_options]"));  // it keeps no momentum
  CHECK_THROWS_AS(sgd.set_lr(-1.0, 1), ArgumentError);
  CHECK(sgd.lr(1) == 0.125);
  for (const auto& fails : std::vector<std::function<void()>>{
           [&] { (void)sgd.lr(2); }, [&] { sgd.set_lr(0.1, 2); }, [&] { (void)sgd.options(2); },
           [&] { sgd.set_options(options, 2); }, [&] { (void)sgd.parameters(2); }}) {
    CHECK_THROWS_AS(fails(), ArgumentError);
    CHECK_THROWS_WITH(fails(), Catch::Contains("group: expected a number < 2, got 2"));
  }
}

TEST_CASE("what would set all groups alike asks which group is meant") {
  const auto p = model_parameters<double>(11);
  Sgd<double> sgd({{pick(p, {0}), {.lr = 0.5}}, {pick(p, {1}), {.lr = 0.25}}});
  CHECK_THROWS_WITH(sgd.set_lr(0.1), Catch::Contains("[Sgd.set_lr]") && Catch::Contains("scale_lr"));
  CHECK_THROWS_WITH(sgd.set_options(SgdOptions{}), Catch::Contains("[Sgd.set_options]"));
  CHECK(sgd.lr(0) == 0.5);
  CHECK(sgd.lr(1) == 0.25);
}

TEST_CASE("scale_lr moves every group from the rate that it began with") {
  const auto p = model_parameters<double>(12);
  Sgd<double> sgd({{pick(p, {0}), {.lr = 0.5}}, {pick(p, {1}), {.lr = 0.25}}, {pick(p, {2}), {.lr = 0.0}}});
  for (const double factor : {0.5, 0.0, 2.0}) {  // back from 0, too
    sgd.scale_lr(factor);
    CHECK(sgd.lr(0) == 0.5 * factor);
    CHECK(sgd.lr(1) == 0.25 * factor);
    CHECK(sgd.lr(2) == 0.0);
  }
  for (const double bad : {-1.0, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_WITH(sgd.scale_lr(bad), Catch::Contains("[Sgd.scale_lr] factor: expected"));
    CHECK(sgd.lr(0) == 1.0);
  }
  Sgd<double> one(pick(p, {0}), {.lr = 0.5});
  one.set_lr(0.1);
  one.scale_lr(0.5);
  CHECK(one.lr() == 0.25);
}

TEST_CASE("training of several groups goes on bit for bit from a saved state") {
  const auto start = [](const std::vector<Var<float>>& p) {
    return RmsProp<float>({{pick(p, {2, 4}), {.lr = 0.01, .momentum = 0.5}},
                           {pick(p, {0}), {.lr = 0.03, .centered = true}},
                           {pick(p, {1, 3}), {.lr = 0.02}}});
  };
  const auto parameters = model_parameters<float>(13), copies = model_parameters<float>(13);
  RmsProp<float> first = start(parameters), second = start(copies);
  for (std::uint64_t t = 1; t <= 6; ++t) {
    if (t == 4) {
      for (std::size_t i = 0; i < copies.size(); ++i) {
        Var<float> copy = copies[i];
        copy.mutable_value() = parameters[i].value();
      }
      second.load_state(first.state());
      CHECK(second.step_count() == 3);
    }
    Tape tape;
    set_gradients(tape, parameters, t);
    set_gradients(tape, copies, t);
    first.step();
    if (t >= 4) second.step();
  }
  for (std::size_t i = 0; i < copies.size(); ++i) CHECK(same_bits(parameters[i].value(), copies[i].value()));
}

TEST_CASE("the state of several groups tells how they are grouped, and only fits such groups") {
  const auto p = model_parameters<double>(14);
  const auto make = [&](const std::vector<std::size_t>& a, const std::vector<std::size_t>& b) {
    return Adam<double>({{pick(p, a), {.lr = 0.1}}, {pick(p, b), {.lr = 0.1}}});
  };
  Adam<double> adam = make({0, 1}, {2, 3, 4}), other = make({0, 1, 2}, {3, 4});
  auto state = adam.state();
  CHECK(same_bits(state.at("groups"), Tensor<double>{2.0, 3.0}));
  CHECK_NOTHROW(adam.load_state(state));
  CHECK_THROWS_WITH(other.load_state(state), Catch::Contains("[Adam.load_state] 'groups'"));
  CHECK_THROWS_WITH(Adam<double>(p).load_state(state), Catch::Contains("'groups'"));
  CHECK_FALSE(Adam<double>(p).state().contains("groups"));
  state.erase("groups");
  CHECK_THROWS_WITH(adam.load_state(state), Catch::Contains("'groups'"));
}

TEST_CASE("what an optimizer keeps as one number does not take the parameter's shape") {
  const Var<double> p = parameter(ones<double>({4, 3}), "w");
  NAdam<double> nadam({p});
  CHECK(nadam.state().at("w.mu_product").shape() == Shape{});
  CHECK(nadam.state().at("w.mu_product")() == 1.0);
  CHECK(nadam.state().at("w.exp_avg").shape() == Shape{4, 3});
  auto broken = nadam.state();
  broken["w.mu_product"] = ones<double>({4, 3});
  CHECK_THROWS_AS(nadam.load_state(broken), ShapeError);
}

TEST_CASE("optimizers move without throwing") {
  CHECK(std::is_nothrow_move_constructible_v<Adam<float>>);
  CHECK(std::is_nothrow_move_assignable_v<Sgd<double>>);
}
