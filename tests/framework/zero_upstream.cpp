#include "tests/framework/zero_upstream.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

namespace unroll::test {
namespace {

using Positions = std::vector<std::size_t>;
using Flags = std::vector<bool>;

// All tensors end to end, as the checks count elements.
template <class S>
std::vector<S> flat(const Vars<S>& vars) {
  std::vector<S> all;
  for (const auto& v : vars) all.insert(all.end(), v.data(), v.data() + v.size());
  return all;
}

template <class S>
Vars<S> parameters_of(const Tensors& tensors) {
  Vars<S> vars;
  for (const auto& t : tensors) vars.push_back(parameter(convert_tensor<S>(t)));
  return vars;
}

// For every input element the output elements that depend on it: those that it makes NaN.
std::vector<Positions> dependents(const Op& f, const Tensors& regular) {
  std::vector<Positions> result;
  for (std::size_t k = 0; k < regular.size(); ++k) {
    for (std::size_t i = 0; i < regular[k].size(); ++i) {
      Tensors inputs = regular;
      inputs[k].data()[i] = kNaN;
      const std::vector<double> outputs = flat(f.in_double(parameters_of<double>(inputs)));
      Positions nan;
      for (std::size_t j = 0; j < outputs.size(); ++j) {
        if (std::isnan(outputs[j])) nan.push_back(j);
      }
      result.push_back(std::move(nan));
    }
  }
  return result;
}

// Tensors of these shapes: 0 of either sign where zero says so, elsewhere any of choices.
template <class S>
Vars<S> draw(const Vars<S>& like, const Flags& zero, const std::vector<S>& choices, std::mt19937_64& random) {
  Vars<S> vars;
  std::size_t at = 0;
  for (const auto& v : like) {
    Tensor<S> t(v.shape());
    for (S& x : t) {
      const std::uint64_t r = random();
      const S signed_zero = r % 2 == 0 ? S(0) : -S(0);
      x = zero[at++] ? signed_zero : choices[r % choices.size()];
    }
    vars.push_back(parameter(std::move(t)));
  }
  return vars;
}

// Elements flagged must be 0.
template <class S>
void check_zeros(const char* what, const Vars<S>& gradients, const Flags& flagged, const Vars<S>& inputs) {
  const std::vector<S> g = flat(gradients), x = flat(inputs);
  REQUIRE(g.size() == flagged.size());
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (!flagged[i] || g[i] == S(0)) continue;
    INFO(what << ", element " << i << " (all inputs end to end) at " << x[i] << ": got " << g[i]
              << ", expected 0");
    CHECK(g[i] == S(0));
    return;  // the first is enough
  }
}

template <class S>
void check_in(const Op& op, const Tensors& regular, const std::vector<Positions>& depend,
              std::mt19937_64& random, bool everything) {
  using Limits = std::numeric_limits<S>;
  constexpr S kHuge = Limits::max(), kTiny = Limits::denorm_min(), inf = Limits::infinity();
  const std::vector<S> edges{
      0, -S(0), inf, -inf,  Limits::quiet_NaN(), kTiny, -kTiny, Limits::min(), kHuge, -kHuge,
      1, -1,    -2,  S(0.5)};
  const auto& f = [&]() -> const auto& {
    if constexpr (std::is_same_v<S, float>) {
      return op.in_float;
    } else {
      return op.in_double;
    }
  }
  ();
  const std::size_t n = depend.size();
  const Vars<S> shapes = parameters_of<S>(regular);
  const Vars<S> x = draw<S>(shapes, Flags(n, false), edges, random);
  Tape tape;
  const Vars<S> y = f(x);
  const std::size_t outputs = flat(y).size();

  // The outputs that depend on some of the inputs have upstream gradient 0; idle: inputs with none other.
  Flags quiet(outputs, everything), chosen(n), idle(n);
  for (std::size_t i = 0; i < n; ++i) {
    chosen[i] = everything || random() % 2 == 0;
    if (chosen[i]) {
      for (const std::size_t j : depend[i]) quiet[j] = true;
    }
  }
  for (std::size_t i = 0; i < n; ++i)
    idle[i] = std::all_of(depend[i].begin(), depend[i].end(), [&](std::size_t j) { return quiet[j]; });
  const Vars<S> g = draw<S>(y, quiet, {1, -2, S(0.5), inf, Limits::quiet_NaN()}, random);
  check_zeros("gradient", gradients(y, x, g), idle, x);
  const Vars<S> dx = gradients(y, x, g, /*create_graph=*/true);
  check_zeros("gradient with a graph", dx, idle, x);

  // Second derivatives: of those zeros, with any weights; and with weights 0.
  const Vars<S> weights = draw<S>(shapes, Flags(n, false), {1, -2, S(0.5)}, random);
  check_zeros("second derivative of a zero", gradients(dx, x, weights), idle, x);
  const Vars<S> none = draw<S>(shapes, Flags(n, true), {1}, random);
  check_zeros("second derivative, upstream 0", gradients(dx, x, none), Flags(n, true), x);
  check_zeros("in the upstream gradient, upstream 0", gradients(dx, g, none), Flags(outputs, true), g);

  // Weights 0 at all inputs of the outputs that depend on the chosen inputs.
  Flags beside(n);
  for (std::size_t i = 0; i < n; ++i)
    beside[i] = std::any_of(depend[i].begin(), depend[i].end(), [&](std::size_t j) { return quiet[j]; });
  const Vars<S> loud = draw<S>(y, Flags(outputs, false), {1, -2, S(0.5), inf, Limits::quiet_NaN()}, random);
  const Vars<S> slopes = gradients(y, x, loud, /*create_graph=*/true);
  const Vars<S> some = draw<S>(shapes, beside, {1, -2, S(0.5)}, random);
  check_zeros("second derivative, upstream partly 0", gradients(slopes, x, some), idle, x);
  check_zeros("in the upstream gradient, upstream partly 0", gradients(slopes, loud, some), quiet, loud);
}

}  // namespace

void check_zero_upstream(const Op& f, const Tensors& regular) {
  const std::vector<Positions> depend = dependents(f, regular);
  std::mt19937_64 random(depend.size());
  for (int round = 0; round < 6; ++round) {
    INFO("round " << round);
    {
      INFO("double");
      check_in<double>(f, regular, depend, random, round == 0);
    }
    {
      INFO("float");
      check_in<float>(f, regular, depend, random, round == 0);
    }
  }
}

}  // namespace unroll::test
