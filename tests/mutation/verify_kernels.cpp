// Runs verify on every kernel. Linked against the library it must pass; against a kernel with a planted
// mistake it must not.
#include <cstdio>

#include "layers/layers.hpp"

using namespace unroll;

namespace {

bool all_agree = true;

template <class Layer>
void check(const Layer& layer, const std::vector<Index>& lengths) {
  Rng rng(3);
  const Tensor<double> x = random_normal<double>({5, 3, 2}, 0.0, 1.0, rng);
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
