// Runs verify on every kernel, and on compiled steps. Linked against the library it must pass; against a file
// with a planted mistake it must not.
#include <cstdio>

#include "layers/layers.hpp"

using namespace unroll;

namespace {

// Instructions that no cell of the library has.
struct SlicingCell : MoveOnly {
  using Scalar = double;
  CellSizes options;
  Linear<double> all;
  Var<double> weight;  // (H,H)

  SlicingCell() = default;
  SlicingCell(CellSizes sizes, Rng& rng)
      : options(sizes), all(sizes.input + sizes.hidden, 2 * sizes.hidden, rng) {
    const auto n = static_cast<std::size_t>(sizes.hidden);
    weight = parameter(random_uniform<double>({n, n}, -0.5, 0.5, rng), "weight");
  }
  Var<double> step(const Var<double>& x, const Var<double>& h) const {
    const Index n = options.hidden;
    const Var<double> a = all(concat(std::vector<Var<double>>{x, h}, 1));
    const Var<double> b = slice(a, 1, {n, 2 * n}) - mean(h, {1}, true);
    // A product that is added to something and read besides.
    const Var<double> product = linear(h, weight);
    return slice(a, 1, {0, n}) * 0.5 + tanh(b) + sigmoid(b) * slice(a, 1, {0, n}) + (product + b) * product;
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("all", self.all);
    visit("weight", self.weight);
  }
};

bool all_agree = true;

template <class Layer>
void check(const Layer& layer, const std::vector<Index>& lengths, std::size_t batch = 3,
           std::size_t steps = 5) {
  Rng rng(3);
  const Tensor<double> x = random_normal<double>({steps, batch, 2}, 0.0, 1.0, rng);
  const VerifyReport report = verify(layer, x, {.lengths = lengths});
  if (report || !all_agree) return;
  all_agree = false;
  std::puts(report.message.c_str());
}

}  // namespace

int main() {
  Rng rng(2);
  for (const std::vector<Index>& lengths : {std::vector<Index>{}, std::vector<Index>{2, 5, 1}}) {
    for (const bool bidirectional : {false, true}) {
      const RecurrentOptions options{.bidirectional = bidirectional};
      check(Rnn<double>({.input = 2, .hidden = 4}, options, rng), lengths);
      check(Rnn<double>({.input = 2, .hidden = 4, .activation = Activation::relu()}, options, rng), lengths);
      check(Lstm<double>({.input = 2, .hidden = 4}, options, rng), lengths);
      check(Lstm<double>({.input = 2, .hidden = 4, .projection = 3}, options, rng), lengths);
      check(Mgu<double>({.input = 2, .hidden = 4}, options, rng), lengths);
      check(Lstm<double>({.input = 2, .hidden = 4, .peepholes = true, .layer_norm = true}, options, rng),
            lengths);
      check(Recurrent<SlicingCell>({.input = 2, .hidden = 4}, options, rng), lengths);
      check(Recurrent<SlicingCell>({.input = 2, .hidden = 4}, options, rng), {}, 1);
      check(Lstm<double>({.input = 2, .hidden = 4, .coupled = true}, options, rng), {}, 1, 3);
      check(Gru<double>({.input = 2, .hidden = 4}, options, rng),
            lengths.empty() ? lengths : std::vector<Index>{5, 4, 2, 5, 1}, 5);
      for (const auto reset : {GruReset::after, GruReset::before}) {
        for (const auto update : {GruUpdate::z_keeps, GruUpdate::z_updates})
          check(Gru<double>({.input = 2, .hidden = 4, .reset = reset, .update = update}, options, rng),
                lengths);
      }
    }
  }
  if (all_agree) std::puts("all kernels agree with the tape and with central differences");
  return all_agree ? 0 : 1;
}
