// Data for amp_model where there is no amplifier: a played recording and what a circuit makes of it.
#pragma once

#include <cstdint>

#include "training/audio/wav.hpp"

namespace unroll::examples {

// Plucked strings (Karplus and Strong 1983), sweeps and noise at all levels.
Recording<float> play(double seconds, std::uint64_t seed);

// A gain stage as in overdrive pedals, at four times the sample rate: a high-pass, a resistor and a capacitor
// with two diodes to ground, of which one is two in series, and a tone control. Scaled to a peak of 0.9.
Recording<float> distort(const Recording<float>& dry);

}  // namespace unroll::examples
