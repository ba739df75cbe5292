// A user's own model file, as far as compile time goes: a model, a training step, saving.
#include "unroll.hpp"

using namespace unroll;

namespace {

struct Classifier {
  using Scalar = float;
  Embedding<float> letters;
  Lstm<float> encoder;
  Linear<float> head;

  explicit Classifier(Rng& rng)
      : letters(27, 16, rng), encoder({.input = 16, .hidden = 32}, rng), head(32, 4, rng) {}
  Var<float> operator()(const IndexTensor& ids, const std::vector<Index>& lengths) const {
    return head(last(encoder(letters(ids), {.lengths = lengths})));
  }
  static void each(auto& self, auto&& visit) {
    visit("letters", self.letters);
    visit("encoder", self.encoder);
    visit("head", self.head);
  }
};

}  // namespace

int main() {
  Rng rng(1);
  const Classifier model(rng);
  Adam<float> adam(parameters(model), {.lr = 3e-3});
  const IndexTensor ids{{1, 2}, {3, 4}, {5, 0}};
  const IndexTensor labels{0, 3};
  float first = 0.0F, loss_value = 0.0F;
  for (int step = 0; step < 20; ++step) {
    Tape tape;
    const auto loss = cross_entropy(model(ids, {3, 2}), labels);
    tape.backward(loss);
    clip_grad_norm(adam.parameters(), 1.0);
    adam.step();
    loss_value = loss.item();
    if (step == 0) first = loss_value;
  }
  return loss_value < 0.5F * first ? 0 : 1;
}
