// WAV files: recordings in and out.
#pragma once

#include <string>

#include "framework/tensor.hpp"
#include "framework/unpack_options.hpp"

namespace unroll {

template <class S>
struct Recording {
  Tensor<S> samples;         // (T,C), full scale is -1..1
  double sample_rate = 0.0;  // Hz
};

// Reads a WAV file of any sample format that libsndfile knows. Throws FileError for another kind of file, one
// that ends early, and a sample that is not finite.
template <class S>
Recording<S> load_wav(const std::string& path, const UnpackOptions& options = {});

// float32 holds every sample; the others round to 24 or 16 bits.
enum class WavFormat { float32, pcm24, pcm16 };

// Writes samples (T) or (T,C) as a WAV file, as a whole or not at all. Throws ShapeError for other shapes,
// ArgumentError for a rate that is no whole number from 1 to 2^31-1, a sample that is not finite and, except
// for float32, one beyond -1..1; FileError for the file.
template <class S>
void save_wav(const std::string& path, const Tensor<S>& samples, double sample_rate,
              WavFormat format = WavFormat::float32);

}  // namespace unroll
