// What holds for every row of the table: numbers, float against double, gradients untouched.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"
#include "tests/optim/gradients.hpp"
#include "tests/optim/optimizer_table.hpp"

using namespace unroll;
using namespace optimizer_table;

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
