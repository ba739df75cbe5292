// One row per optimizer and set of options: its numbers from PyTorch 1.13, a scalar reference written from
// the published formula, and what holds for all of them.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "optim/optim.hpp"
#include "tests/optim/gradients.hpp"

using namespace unroll;

namespace {

template <class S>
using Make = std::function<std::unique_ptr<Optimizer<S>>(const std::vector<Var<S>>&)>;

// One scalar parameter's next value; keeps its own state.
using Reference = std::function<double(double p, double g)>;

struct Row {
  const char* name;
  Make<double> make;
  Make<float> make_float;
  std::array<double, 3> pytorch;  // after six steps, see below
  std::function<Reference()> reference;
};

template <template <class> class O, class Options>
Row row(const char* name, Options options, std::array<double, 3> pytorch,
        std::function<Reference()> reference) {
  return {name, [=](const auto& p) { return std::make_unique<O<double>>(p, options); },
          [=](const auto& p) { return std::make_unique<O<float>>(p, options); }, pytorch, reference};
}

std::function<Reference()> sgd(SgdOptions o) {
  return [o]() -> Reference {
    return [o, b = 0.0, first = true](double p, double g) mutable {
      g += o.weight_decay * p;
      if (o.momentum == 0.0) return p - o.lr * g;
      b = first ? g : o.momentum * b + (1.0 - o.dampening) * g;
      first = false;
      return p - o.lr * (o.nesterov ? g + o.momentum * b : b);
    };
  };
}

struct AdamLike {
  double lr, beta1, beta2, eps, l2, decoupled;
  bool amsgrad;
};
std::function<Reference()> adam(AdamLike o) {
  return [o]() -> Reference {
    return [o, m = 0.0, v = 0.0, largest = 0.0, t = 0](double p, double g) mutable {
      ++t;
      p -= o.lr * o.decoupled * p;
      g += o.l2 * p;
      m = o.beta1 * m + (1.0 - o.beta1) * g;
      v = o.beta2 * v + (1.0 - o.beta2) * g * g;
      largest = std::max(largest, v);
      const double m_hat = m / (1.0 - std::pow(o.beta1, t));
      const double v_hat = (o.amsgrad ? largest : v) / (1.0 - std::pow(o.beta2, t));
      return p - o.lr * m_hat / (std::sqrt(v_hat) + o.eps);
    };
  };
}

std::function<Reference()> rmsprop(RmsPropOptions o) {
  return [o]() -> Reference {
    return [o, v = 0.0, mean = 0.0, b = 0.0](double p, double g) mutable {
      g += o.weight_decay * p;
      v = o.alpha * v + (1.0 - o.alpha) * g * g;
      mean = o.alpha * mean + (1.0 - o.alpha) * g;
      const double u = g / (std::sqrt(o.centered ? v - mean * mean : v) + o.eps);
      b = o.momentum * b + u;
      return p - o.lr * b;  // momentum 0: b is u
    };
  };
}

std::function<Reference()> adagrad(AdagradOptions o) {
  return [o]() -> Reference {
    return [o, s = o.initial_accumulator_value, t = 0](double p, double g) mutable {
      g += o.weight_decay * p;
      s += g * g;
      return p - o.lr / (1.0 + t++ * o.lr_decay) * g / (std::sqrt(s) + o.eps);
    };
  };
}

// The expected numbers are PyTorch's for p = (0.5, -1.2, 2.0) and the gradients cos(1.3 t + 0.7 i) (1 + i) of
// element i in steps t = 1..6.
const std::vector<Row>& rows() {
  const SgdOptions decay{.lr = 0.1, .weight_decay = 0.05};
  const SgdOptions damped{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05};
  const SgdOptions nesterov{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true};
  const AdamOptions adam_l2{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.05};
  const AdamOptions ams{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.6, .weight_decay = 0.05, .amsgrad = true};
  const AdamWOptions adamw_ams{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.6, .weight_decay = 0.3, .amsgrad = true};
  const RmsPropOptions rms_momentum{
      .lr = 0.1, .alpha = 0.9, .eps = 1e-3, .weight_decay = 0.05, .momentum = 0.7};
  const RmsPropOptions centered{.lr = 0.1, .alpha = 0.9, .centered = true};
  const RmsPropOptions centered_momentum{
      .lr = 0.1, .alpha = 0.9, .weight_decay = 0.05, .momentum = 0.7, .centered = true};
  const AdagradOptions adagrad_all{
      .lr = 0.1, .lr_decay = 0.2, .weight_decay = 0.05, .initial_accumulator_value = 0.5, .eps = 1e-3};
  static const std::vector<Row> table{
      row<Sgd>("Sgd", SgdOptions{.lr = 0.1}, {0.48162625113534496, -1.0836077418400814, 2.3221863745360047},
               sgd({.lr = 0.1})),
      row<Sgd>("Sgd, weight decay", decay, {0.46564580795616173, -1.0519112843093135, 2.2575825734497545},
               sgd(decay)),
      row<Sgd>("Sgd, momentum, dampening", damped,
               {0.5363720134709029, -0.5520798888448473, 2.948843783129519}, sgd(damped)),
      row<Sgd>("Sgd, Nesterov", nesterov, {0.5587101684863965, -0.4038754963703968, 2.9798526643938565},
               sgd(nesterov)),
      row<Adam>("Adam", AdamOptions{.lr = 0.1}, {0.528918116653442, -0.9186313144439678, 2.243776811582307},
                adam({0.1, 0.9, 0.999, 1e-8, 0.0, 0.0, false})),
      row<Adam>("Adam, weight decay", adam_l2, {0.5005721252180084, -0.9349881450957025, 2.1966865754915887},
                adam({0.1, 0.8, 0.95, 1e-3, 0.05, 0.0, false})),
      row<Adam>("Adam, amsgrad", ams, {0.498228240252706, -0.9532497837695515, 2.205188549060887},
                adam({0.1, 0.8, 0.6, 1e-8, 0.05, 0.0, true})),
      row<AdamW>("AdamW", AdamWOptions{.lr = 0.1},
                 {0.5259568258669564, -0.9125738960858915, 2.2308248195699814},
                 adam({0.1, 0.9, 0.999, 1e-8, 0.0, 0.01, false})),
      row<AdamW>("AdamW, amsgrad", adamw_ams, {0.42809175432610447, -0.7944749771088019, 1.8611745538188265},
                 adam({0.1, 0.8, 0.6, 1e-8, 0.0, 0.3, true})),
      row<RmsProp>("RmsProp", RmsPropOptions{.lr = 0.1},
                   {0.051095381141184754, 0.14070641871134587, 3.093362266477699}, rmsprop({.lr = 0.1})),
      row<RmsProp>("RmsProp, momentum", rms_momentum,
                   {0.2520610266414702, 0.05331634377147774, 2.7472799524669096}, rmsprop(rms_momentum)),
      row<RmsProp>("RmsProp, centered", centered,
                   {0.3447917964969108, -0.7338534777074098, 2.386500034513824}, rmsprop(centered)),
      row<RmsProp>("RmsProp, centered, momentum", centered_momentum,
                   {0.24435710249016018, 0.18890609122322782, 2.8455426453033894},
                   rmsprop(centered_momentum)),
      row<Adagrad>("Adagrad", AdagradOptions{.lr = 0.1},
                   {0.4556359970665534, -1.065741373361066, 2.109188181506069}, adagrad({.lr = 0.1})),
      row<Adagrad>("Adagrad, all options", adagrad_all,
                   {0.5045506853630292, -1.0806011137448734, 2.096780886075678}, adagrad(adagrad_all))};
  return table;
}

// 19 elements and 6: whole vectors and a rest.
template <class S>
std::vector<Var<S>> two_parameters(std::uint64_t seed) {
  Rng rng(seed);
  return {parameter(random_normal<S>({19}, 0.0, 1.0, rng), "w"),
          parameter(random_normal<S>({2, 3}, 0.0, 1.0, rng), "b")};
}

template <class S>
bool same_bits(const Tensor<S>& a, const Tensor<S>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(S)) == 0;
}

}  // namespace

TEST_CASE("every optimizer gives PyTorch's numbers") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    const Var<double> p = parameter(from_values<double>({3}, {0.5, -1.2, 2.0}));
    const auto optimizer = r.make({p});
    for (int t = 1; t <= 6; ++t) {
      Tape tape;
      Tensor<double> g = zeros<double>({3});
      for (int i = 0; i < 3; ++i) g(i) = std::cos(1.3 * t + 0.7 * i) * (1 + i);
      set_gradient(tape, p, g);
      optimizer->step();
    }
    CHECK(optimizer->step_count() == 6);
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(p.value()(i) == Approx(r.pytorch[i]).epsilon(1e-13).margin(1e-14));
  }
}

TEST_CASE("every optimizer follows its scalar reference down a quadratic") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    // L = sum a (p - c)^2 / 2 with a = 0.3, 0.6, ...: the gradient is a (p - c)
    auto parameters = two_parameters<double>(7);
    const auto optimizer = r.make(parameters);
    std::vector<std::vector<double>> expected;
    std::vector<std::vector<Reference>> references;
    for (const auto& p : parameters) {
      expected.emplace_back(p.data(), p.data() + p.size());
      references.emplace_back();
      for (std::size_t i = 0; i < p.size(); ++i) references.back().push_back(r.reference());
    }
    const auto slope = [](std::size_t i) { return 0.3 * static_cast<double>(i % 5 + 1); };
    for (int t = 0; t < 25; ++t) {
      Tape tape;
      for (std::size_t k = 0; k < parameters.size(); ++k) {
        Tensor<double> half(parameters[k].shape());
        for (std::size_t i = 0; i < half.size(); ++i) half.data()[i] = slope(i) / 2.0;
        tape.backward(square(parameters[k] - 0.25), Var<double>(half));
        for (std::size_t i = 0; i < half.size(); ++i) {
          expected[k][i] = references[k][i](expected[k][i], slope(i) * (expected[k][i] - 0.25));
        }
      }
      optimizer->step();
    }
    double worst = 0.0;
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      for (std::size_t i = 0; i < expected[k].size(); ++i) {
        worst = std::max(worst, std::abs(parameters[k].data()[i] - expected[k][i]));
      }
    }
    CHECK(worst < 1e-12);
  }
}

TEST_CASE("in float every optimizer stays near the double one") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    auto wide = two_parameters<double>(11);
    std::vector<Var<float>> narrow;
    for (auto& p : wide) {
      narrow.push_back(parameter(convert_tensor<float>(p.value())));
      p.mutable_value() = convert_tensor<double>(narrow.back().value());
    }
    const auto in_double = r.make(wide);
    const auto in_float = r.make_float(narrow);
    Rng rng(3);
    for (int t = 0; t < 6; ++t) {
      Tape tape;
      for (std::size_t k = 0; k < wide.size(); ++k) {
        const auto g = random_normal<float>(wide[k].shape(), 0.5, 1.0, rng);
        set_gradient(tape, narrow[k], g);
        set_gradient(tape, wide[k], convert_tensor<double>(g));
      }
      in_double->step();
      in_float->step();
    }
    for (std::size_t k = 0; k < wide.size(); ++k) {
      for (std::size_t i = 0; i < wide[k].size(); ++i) {
        CHECK(narrow[k].data()[i] == Approx(wide[k].data()[i]).epsilon(2e-5).margin(2e-5));
      }
    }
  }
}

TEST_CASE("no optimizer changes a gradient") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    const auto parameters = two_parameters<double>(5);
    const auto optimizer = r.make(parameters);
    Rng rng(9);
    for (int t = 0; t < 3; ++t) {
      Tape tape;
      std::vector<Tensor<double>> before;
      for (const auto& p : parameters) {
        set_gradient(tape, p, random_normal<double>(p.shape(), 0.0, 2.0, rng));
        before.push_back(p.grad());
      }
      optimizer->step();
      for (std::size_t k = 0; k < parameters.size(); ++k) CHECK(same_bits(parameters[k].grad(), before[k]));
    }
  }
}

TEST_CASE("a step by hand") {
  // L = p^2 / 2, so g = p: 3 - 0.1 * 3 = 2.7, then b = 0.9 * 3 + 2.7 = 5.4 and 2.7 - 0.1 * 5.4 = 2.16
  const Var<double> p = parameter(Tensor<double>(3.0));
  Sgd<double> sgd({p}, {.lr = 0.1, .momentum = 0.9});
  for (const double expected : {2.7, 2.16}) {
    Tape tape;
    tape.backward(square(p) * 0.5);
    sgd.step();
    CHECK(p.item() == Approx(expected).epsilon(1e-15));
  }
  // Adam's first step is lr in the direction of the sign, whatever the size of the gradient
  const Var<double> q = parameter(Tensor<double>{1.0, 1.0});
  Adam<double> adam({q}, {.lr = 0.25, .eps = 0.0});
  Tape tape;
  set_gradient(tape, q, Tensor<double>{1e-4, -3e5});
  adam.step();
  CHECK(q.value()(0) == Approx(0.75).epsilon(1e-15));
  CHECK(q.value()(1) == Approx(1.25).epsilon(1e-15));
}

TEST_CASE("clipping and the first step give the trajectory's first values") {
  for (const char* name : {"sgd", "sgd_momentum_nesterov", "adam", "adamw", "rmsprop", "adagrad"}) {
    CAPTURE(name);
    std::ifstream file(std::string(UNROLL_SOURCE_DIR "/tests/fixtures/optim_") + name + ".json");
    REQUIRE(file);
    const auto fixture = nlohmann::json::parse(file);
    std::vector<Var<double>> parameters;
    std::vector<std::string> names;
    Tape tape;
    const auto tensor = [](const nlohmann::json& array) {
      Shape shape;
      for (const std::size_t size : array.at("shape")) shape.push_back(size);
      std::vector<double> flat;
      const std::function<void(const nlohmann::json&)> collect = [&](const nlohmann::json& part) {
        if (part.is_number())
          flat.push_back(part.get<double>());
        else
          for (const auto& inner : part) collect(inner);
      };
      collect(array.at("data"));
      return from_values(shape, flat);
    };
    for (const auto& [key, value] : fixture.at("params").items()) {
      parameters.push_back(parameter(tensor(value), key));
      names.push_back(key);
      set_gradient(tape, parameters.back(), tensor(fixture.at("grads").at("first_step_unclipped/" + key)));
    }
    const auto& hyper = fixture.at("config").at("hyper");
    const double lr = hyper.at("lr");
    std::unique_ptr<Optimizer<double>> optimizer;
    const std::string kind = fixture.at("config").at("optimizer");
    if (kind == "sgd") {
      optimizer =
          std::make_unique<Sgd<double>>(parameters, SgdOptions{.lr = lr,
                                                               .momentum = hyper.value("momentum", 0.0),
                                                               .nesterov = hyper.value("nesterov", false)});
    } else if (kind == "adam") {
      optimizer = std::make_unique<Adam<double>>(parameters, AdamOptions{.lr = lr});
    } else if (kind == "adamw") {
      optimizer = std::make_unique<AdamW<double>>(
          parameters, AdamWOptions{.lr = lr, .weight_decay = hyper.at("weight_decay")});
    } else if (kind == "rmsprop") {
      optimizer = std::make_unique<RmsProp<double>>(parameters, RmsPropOptions{.lr = lr});
    } else {
      REQUIRE(kind == "adagrad");
      optimizer = std::make_unique<Adagrad<double>>(parameters, AdagradOptions{.lr = lr});
    }
    const double expected_norm = fixture.at("outputs").at("grad_norm_before_clipping").at("data").at(0);
    CHECK(grad_norm(parameters) == Approx(expected_norm).epsilon(1e-13));
    if (const double max_norm = fixture.at("config").at("clip_max_norm"); max_norm > 0.0) {
      CHECK(clip_grad_norm(parameters, max_norm) == Approx(expected_norm).epsilon(1e-13));
    }
    optimizer->step();
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      const auto after = tensor(fixture.at("outputs").at("params_after_step/" + names[k]));
      for (std::size_t i = 0; i < parameters[k].size(); ++i) {
        CHECK(std::abs(parameters[k].data()[i] - after.data()[i]) <= 1e-12);
      }
    }
  }
}

TEST_CASE("a parameter without a gradient stays, with its state, and does not age") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    const auto parameters = two_parameters<double>(21);
    const auto optimizer = r.make(parameters);
    const auto alone = two_parameters<double>(21);
    const auto optimizer_alone = r.make({alone[1]});
    Rng rng(4);
    for (int t = 0; t < 4; ++t) {
      Tape tape;
      const Tensor<double> before = parameters[1].value();
      const auto g = random_normal<double>({2, 3}, 0.0, 1.0, rng);
      set_gradient(tape, parameters[0], random_normal<double>({19}, 0.0, 1.0, rng));
      if (t % 2 == 1) {
        set_gradient(tape, parameters[1], g);
        set_gradient(tape, alone[1], g);
        optimizer_alone->step();
      }
      optimizer->step();
      if (t % 2 == 0) CHECK(same_bits(parameters[1].value(), before));
    }
    // the two updates that it had are the first two of an optimizer of its own
    CHECK(same_bits(parameters[1].value(), alone[1].value()));
    CHECK(optimizer->step_count() == 4);
  }
}

TEST_CASE("a step without any gradient says where it belongs") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    const auto parameters = two_parameters<double>(1);
    const auto optimizer = r.make(parameters);
    CHECK_THROWS_AS(optimizer->step(), TapeError);
    {
      Tape tape;
      set_gradient(tape, parameters[0], ones<double>({19}));
    }
    CHECK_THROWS_WITH(optimizer->step(),
                      Catch::Contains("none for any of 2") && Catch::Contains("inside the tape's scope"));
    CHECK(optimizer->step_count() == 0);
  }
}

TEST_CASE("a tied parameter is updated once") {
  const Var<double> p = parameter(Tensor<double>{1.0, 2.0});
  Sgd<double> sgd({p, p}, {.lr = 0.5});
  CHECK(sgd.parameters().size() == 1);
  Tape tape;
  set_gradient(tape, p, Tensor<double>{1.0, 1.0});
  sgd.step();
  CHECK(p.value() == Tensor<double>{0.5, 1.5});
}

TEST_CASE("a tape refuses to go backward after a step has changed what it recorded") {
  const Var<double> p = parameter(Tensor<double>{1.0, 2.0}, "weight");
  Sgd<double> sgd({p}, {.lr = 0.5});
  Tape tape;
  const auto loss = square(p);
  tape.backward(loss, Var<double>(ones<double>({2})));
  sgd.step();
  CHECK_THROWS_WITH(tape.backward(loss, Var<double>(ones<double>({2}))), Catch::Contains("'weight'"));
}

TEST_CASE("optimizers refuse what is not a list of parameters") {
  CHECK_THROWS_WITH(Adam<double>({}), Catch::Contains("[Adam]") && Catch::Contains("at least one"));
  CHECK_THROWS_WITH(Adam<double>({Var<double>()}), Catch::Contains("an empty handle at position 0"));
  const Var<double> p = parameter(ones<double>({1}));
  CHECK_THROWS_WITH(Sgd<double>({p, Var<double>(ones<double>({1}))}),
                    Catch::Contains("a constant at position 1"));
}

TEST_CASE("a parameter that has changed its shape is refused before anything changes") {
  auto parameters = two_parameters<double>(2);
  Adam<double> adam(parameters);
  parameters[1].mutable_value() = zeros<double>({3, 2});
  Tape tape;
  set_gradient(tape, parameters[0], ones<double>({19}));
  set_gradient(tape, parameters[1], ones<double>({3, 2}));
  const Tensor<double> before = parameters[0].value();
  CHECK_THROWS_AS(adam.step(), ShapeError);
  CHECK_THROWS_WITH(adam.step(),
                    Catch::Contains("'b'") && Catch::Contains("(2,3)") && Catch::Contains("(3,2)"));
  CHECK(parameters[0].value() == before);
}

TEST_CASE("optimizers refuse options out of range") {
  const std::vector<Var<double>> p{parameter(ones<double>({1}))};
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (const double bad : {-1.0, nan, inf}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(Sgd<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(Sgd<double>(p, {.momentum = bad}), ArgumentError);
    CHECK_THROWS_AS(Sgd<double>(p, {.weight_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.beta1 = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.beta2 = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.eps = bad}), ArgumentError);
    CHECK_THROWS_AS(Adam<double>(p, {.weight_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(AdamW<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(AdamW<double>(p, {.beta1 = bad}), ArgumentError);
    CHECK_THROWS_AS(AdamW<double>(p, {.weight_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(RmsProp<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(RmsProp<double>(p, {.alpha = bad}), ArgumentError);
    CHECK_THROWS_AS(RmsProp<double>(p, {.eps = bad}), ArgumentError);
    CHECK_THROWS_AS(RmsProp<double>(p, {.momentum = bad}), ArgumentError);
    CHECK_THROWS_AS(Adagrad<double>(p, {.lr = bad}), ArgumentError);
    CHECK_THROWS_AS(Adagrad<double>(p, {.lr_decay = bad}), ArgumentError);
    CHECK_THROWS_AS(Adagrad<double>(p, {.initial_accumulator_value = bad}), ArgumentError);
    CHECK_THROWS_AS(Adagrad<double>(p, {.eps = bad}), ArgumentError);
  }
  CHECK_THROWS_WITH(Adam<double>(p, {.beta2 = 1.0}),
                    Catch::Contains("[Adam] beta2 want a number in [0, 1), got 1"));
  CHECK_THROWS_WITH(Sgd<double>(p, {.nesterov = true}), Catch::Contains("nesterov"));
  CHECK_THROWS_AS(Sgd<double>(p, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}), ArgumentError);
  Adam<double> adam(p, {.lr = 0.1});
  CHECK_THROWS_AS(adam.set_lr(-0.1), ArgumentError);
  CHECK(adam.lr() == 0.1);
}

TEST_CASE("options can change between steps, but not what is kept") {
  const Var<double> p = parameter(ones<double>({1}));
  Sgd<double> sgd({p}, {.lr = 0.5, .momentum = 0.5});
  sgd.set_lr(0.25);
  CHECK(sgd.options().lr == 0.25);
  SgdOptions options = sgd.options();
  options.momentum = 0.75;
  sgd.set_options(options);
  CHECK(sgd.options().momentum == 0.75);
  options.momentum = 0.0;
  CHECK_THROWS_WITH(sgd.set_options(options), Catch::Contains("[Sgd.set_options]"));
  CHECK(sgd.options().momentum == 0.75);
  for (int t = 0; t < 2; ++t) {  // 1 - 0.25 = 0.75, then b = 0.75 + 1
    Tape tape;
    set_gradient(tape, p, ones<double>({1}));
    sgd.step();
  }
  CHECK(p.value()(0) == 0.75 - 0.25 * 1.75);
}

TEST_CASE("training goes on bit for bit from a saved state") {
  for (const Row& r : rows()) {
    CAPTURE(r.name);
    const auto parameters = two_parameters<double>(31);
    const auto copies = two_parameters<double>(31);
    const auto first = r.make(parameters);
    const auto second = r.make(copies);
    Rng rng(17);
    for (int t = 0; t < 6; ++t) {
      if (t == 3) {
        for (std::size_t k = 0; k < copies.size(); ++k) {
          Var<double> copy = copies[k];
          copy.mutable_value() = parameters[k].value();
        }
        second->load_state(first->state());
        CHECK(second->step_count() == 3);
      }
      Tape tape;
      for (std::size_t k = 0; k < parameters.size(); ++k) {
        const auto g = random_normal<double>(parameters[k].shape(), 0.0, 1.0, rng);
        set_gradient(tape, parameters[k], g);
        if (t >= 3) set_gradient(tape, copies[k], g);
      }
      first->step();
      if (t >= 3) second->step();
    }
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      CHECK(same_bits(parameters[k].value(), copies[k].value()));
    }
  }
}

TEST_CASE("a saved state has names and is checked when it is loaded") {
  const Var<double> w = parameter(zeros<double>({2, 3}), "lstm.weight"), b = parameter(zeros<double>({2})),
                    c = parameter(zeros<double>({4}), "lstm.weight");
  Adam<double> adam({w, b, c});
  const auto state = adam.state();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  CHECK(names == std::vector<std::string>{"#1.exp_avg", "#1.exp_avg_sq", "#1.step", "lstm.weight#2.exp_avg",
                                          "lstm.weight#2.exp_avg_sq", "lstm.weight#2.step",
                                          "lstm.weight.exp_avg", "lstm.weight.exp_avg_sq", "lstm.weight.step",
                                          "step_count"});
  CHECK(state.at("lstm.weight.exp_avg").shape() == Shape{2, 3});

  auto broken = state;
  broken.erase("#1.exp_avg");
  CHECK_THROWS_WITH(adam.load_state(broken), Catch::Contains("'#1.exp_avg'"));
  broken = state;
  broken["head.bias.exp_avg"] = zeros<double>({1});
  CHECK_THROWS_WITH(adam.load_state(broken), Catch::Contains("'head.bias.exp_avg'"));
  broken = state;
  broken["lstm.weight.exp_avg"] = zeros<double>({3, 2});
  CHECK_THROWS_AS(adam.load_state(broken), ShapeError);
  for (const double bad : {-1.0, 0.5, std::numeric_limits<double>::quiet_NaN()}) {
    broken = state;
    broken["lstm.weight.step"] = Tensor<double>(bad);
    CHECK_THROWS_AS(adam.load_state(broken), ArgumentError);
  }
}

TEST_CASE("a centered RmsProp survives a variance that rounding makes negative") {
  // Constant gradients: the mean square and the squared mean become equal, but for their last bits.
  const Var<float> p = parameter(ones<float>({64}));
  RmsProp<float> optimizer({p}, {.lr = 1e-6, .alpha = 0.5, .centered = true});
  Tensor<float> g(Shape{64});
  for (std::size_t i = 0; i < 64; ++i) g(i) = 0.1F + 0.013F * static_cast<float>(i);
  for (int t = 0; t < 100; ++t) {
    Tape tape;
    set_gradient(tape, p, g);
    optimizer.step();
  }
  for (const float value : p.value()) CHECK(std::isfinite(value));
}

namespace {

// A user's own optimizer: a struct of options and one function.
struct SignOptions {
  double lr = 0.1;
  void check() const { require_at_least("SignDescent", "lr", lr, 0.0); }
  std::vector<StateInfo> state() const { return {}; }
};
class SignDescent final : public ConfiguredOptimizer<double, SignOptions> {
 public:
  SignDescent(const std::vector<Var<double>>& parameters, const SignOptions& options)
      : ConfiguredOptimizer("SignDescent", parameters, options) {}

 private:
  void update(const SignOptions& options, const ParameterUpdate<double>& u) override {
    for (std::size_t i = 0; i < u.value.size(); ++i)
      u.value[i] -= options.lr * (u.gradient[i] > 0.0 ? 1.0 : -1.0);
  }
};

}  // namespace

TEST_CASE("a user writes an optimizer as one function") {
  const Var<double> p = parameter(Tensor<double>{1.0, -1.0});
  SignDescent optimizer({p}, {.lr = 0.25});
  Tape tape;
  set_gradient(tape, p, Tensor<double>{7.0, -7.0});
  optimizer.step();
  CHECK(p.value() == Tensor<double>{0.75, -0.75});
}
