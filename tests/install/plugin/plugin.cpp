// A plug-in as an audio program loads it: an LSTM of one unit whose gates are open, with weights of its own.
#include <cmath>

#include "layers/stream.hpp"

using namespace unroll;

namespace {

Stream<float> make() {
  StreamWeights<float> lstm{lstm_kernel<float>, zeros<float>({4, 1}), zeros<float>({4, 1}), {}, {}, {}};
  lstm.weight_ih(2, 0) = 1.0F;  // g = tanh(x)
  lstm.bias_ih = Tensor<float>{50.0F, -50.0F, 0.0F, 50.0F};
  return freeze(std::vector<StreamWeights<float>>{lstm}, StreamHead<float>{full<float>({1, 1}, 2.0F), {}});
}

}  // namespace

extern "C" __attribute__((visibility("default"))) float plugin_step(float x) {
  static Stream<float> stream = make();
  return stream.step({&x, 1})[0];
}
