// A recording, written and read.
#include "training/audio/audio.hpp"

int main() {
  unroll::save_wav("tone.wav", unroll::Tensor<float>{0.0F, 0.5F, -0.5F}, 48000);
  return unroll::load_wav<float>("tone.wav").samples(1, 0) == 0.5F ? 0 : 1;
}
