// docs/extending.md, a layer.
#include <catch2/catch.hpp>

#include "layers/highway.hpp"
#include "unroll.hpp"

using namespace unroll;

TEST_CASE("the layer of the tutorial has the right gradients and what follows from its list", "[extending]") {
  Rng rng(5);
  Highway<double> layer(3, rng);
  const Tensor<double> x = random_normal<double>({4, 2, 3}, 0.0, 1.0, rng);
  std::vector<Tensor<double>> at{x};
  for (const auto& p : parameters(layer)) at.push_back(p.value());
  const auto f = [](const std::vector<Var<double>>& in) {
    Rng unused(1);
    Highway<double> copy(3, unused);
    std::size_t next = 1;
    Highway<double>::each(copy, [&](const auto&, auto& linear) {
      Linear<double>::each(linear, [&](const auto&, auto& var) { var = in[next++]; });
    });
    return copy(in[0]);
  };
  const GradcheckReport first = gradcheck(f, at), second = gradgradcheck(f, at);
  INFO(first.message << "\n" << second.message);
  CHECK(first);
  CHECK(second);

  CHECK(parameters(layer).size() == 4);
  CHECK(summary(layer).find("gate") != std::string::npos);
  CHECK((clone(layer)(Var<double>(x)).value() == layer(Var<double>(x)).value()));
  CHECK(convert<float>(layer)(Var<float>(convert_tensor<float>(x))).shape() == x.shape());
}
