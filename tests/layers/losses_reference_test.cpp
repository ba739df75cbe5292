// Every loss against PyTorch in double: value and gradients of tests/reference/losses.json.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "layers/losses.hpp"

using namespace unroll;
using nlohmann::json;

namespace {

constexpr double kTolerance = 1e-12;

double number(const json& value) {
  return value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>();
}

std::vector<double> numbers(const json& data) {
  std::vector<double> result;
  for (const json& value : data) result.push_back(number(value));
  return result;
}

Shape shape_of(const json& array) {
  Shape shape;
  for (const json& size : array.at("shape")) shape.push_back(size.get<std::size_t>());
  return shape;
}

Tensor<double> tensor(const json& array) {
  return from_values<double>(shape_of(array), numbers(array.at("data")));
}

IndexTensor indices(const json& array) {
  return from_values<std::int64_t>(shape_of(array), array.at("data").get<std::vector<std::int64_t>>());
}

// One case: its inputs as parameters, and its options with PyTorch's defaults.
struct Case {
  const json& file;
  std::map<std::string, Var<double>> leaves;

  template <class T>
  T option(const char* name, T otherwise) const {
    return file.at("options").value(name, otherwise);
  }
  bool has(const char* name) const { return file.at("inputs").contains(name); }
  IndexTensor labels(const char* name = "labels") const { return indices(file.at("inputs").at(name)); }
  Var<double> var(const std::string& name) const {
    const auto leaf = leaves.find(name);
    return leaf != leaves.end() ? leaf->second : Var<double>(tensor(file.at("inputs").at(name)));
  }
  Reduction reduction() const {
    return std::map<std::string, Reduction>{
        {"mean", Reduction::mean}, {"sum", Reduction::sum}, {"none", Reduction::none}}
        .at(option<std::string>("reduction", "mean"));
  }
  CrossEntropyOptions cross_entropy_options() const {
    return {reduction(), option("class_weights", std::vector<double>{}), option("ignore_index", Index{-100}),
            option("label_smoothing", 0.0)};
  }
};

using Loss = Var<double> (*)(const Case&);

Var<double> bce(const Case& c) {
  BceOptions<double> options{.reduction = c.reduction()};
  if (c.has("weight")) options.weight = c.var("weight");
  if (c.has("pos_weight")) options.pos_weight = c.var("pos_weight");
  return bce_with_logits(c.var("x"), c.var("target"), options);
}

Var<double> kl_div(const Case& c) {
  const std::map<std::string, KlReduction> reductions{{"mean", KlReduction::mean},
                                                      {"sum", KlReduction::sum},
                                                      {"none", KlReduction::none},
                                                      {"batchmean", KlReduction::batchmean}};
  return kl_div_loss(c.var("x"), c.var("target"),
                     {.reduction = reductions.at(c.option<std::string>("reduction", "mean")),
                      .log_target = c.option("log_target", false)});
}

Var<double> ctc(const Case& c) {
  return ctc_loss(log_softmax(c.var("x"), 2), c.labels("targets"),
                  c.option("input_lengths", std::vector<Index>{}),
                  c.option("target_lengths", std::vector<Index>{}),
                  {.blank = c.option("blank", Index{0}),
                   .reduction = c.reduction(),
                   .zero_infinity = c.option("zero_infinity", false)});
}

const std::map<std::string, Loss> kLosses{
    {"cross_entropy",
     [](const Case& c) { return cross_entropy(c.var("x"), c.labels(), c.cross_entropy_options()); }},
    {"cross_entropy_probabilities",
     [](const Case& c) { return cross_entropy(c.var("x"), c.var("target"), c.cross_entropy_options()); }},
    {"nll_loss", [](const Case& c) { return nll_loss(c.var("x"), c.labels(), c.cross_entropy_options()); }},
    {"bce_with_logits", bce},
    {"kl_div_loss", kl_div},
    {"cosine_embedding_loss",
     [](const Case& c) {
       return cosine_embedding_loss(c.var("x"), c.var("x2"), c.labels(),
                                    {.margin = c.option("margin", 0.0), .reduction = c.reduction()});
     }},
    {"mse_loss", [](const Case& c) { return mse_loss(c.var("x"), c.var("target"), c.reduction()); }},
    {"l1_loss", [](const Case& c) { return l1_loss(c.var("x"), c.var("target"), c.reduction()); }},
    {"huber_loss",
     [](const Case& c) {
       return huber_loss(c.var("x"), c.var("target"), c.option("delta", 1.0), c.reduction());
     }},
    {"smooth_l1_loss",
     [](const Case& c) {
       return smooth_l1_loss(c.var("x"), c.var("target"), c.option("beta", 1.0), c.reduction());
     }},
    {"ctc_loss", ctc},
};

void check_equal(const Tensor<double>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    INFO("element " << i << ": " << got.data()[i] << ", PyTorch has " << want[i]);
    if (std::isfinite(want[i])) {
      CHECK(std::abs(got.data()[i] - want[i]) <= kTolerance * std::max(1.0, std::abs(want[i])));
    } else {
      CHECK((got.data()[i] == want[i] || (std::isnan(got.data()[i]) && std::isnan(want[i]))));
    }
  }
}

}  // namespace

TEST_CASE("every loss has PyTorch's value and gradients") {
  std::ifstream stream(std::string(UNROLL_SOURCE_DIR) + "/tests/reference/losses.json");
  REQUIRE(stream);
  const json file = json::parse(stream);
  std::set<std::string> seen;
  for (const json& entry : file.at("cases")) {
    const std::string loss = entry.at("loss").get<std::string>();
    INFO(entry.at("name"));
    seen.insert(loss);
    for (const bool recorded : {false, true}) {
      Case c{entry, {}};
      std::vector<Var<double>> leaves;
      for (const auto& [name, unused] : entry.at("grads").items()) {
        leaves.push_back(parameter(tensor(entry.at("inputs").at(name)), name));
        c.leaves.emplace(name, leaves.back());
      }
      Tape tape;
      const Var<double> value = kLosses.at(loss)(c);
      REQUIRE(value.shape() == shape_of(entry.at("value")));
      check_equal(value.value(), numbers(entry.at("value").at("data")));
      const Var<double> upstream(from_values<double>(value.shape(), numbers(entry.at("upstream"))));
      const auto found = gradients<double>({value}, leaves, {upstream}, recorded);
      for (std::size_t k = 0; k < leaves.size(); ++k) {
        INFO("gradient in " << leaves[k].name());
        check_equal(found[k].value(), numbers(entry.at("grads").at(leaves[k].name())));
      }
    }
  }
  CHECK(seen.size() == kLosses.size());
}
