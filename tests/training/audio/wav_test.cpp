// WAV files: written and read, in every format, and what is refused.
#include "training/audio/wav.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "tests/scratch.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("a recording written as WAV is read back, exactly or rounded") {
  const test::ScratchFolder folder;
  const std::string path = folder.file("a.wav");
  Rng rng(1);
  const Tensor<float> samples = random_uniform<float>({500, 2}, -1.0, 1.0, rng);
  const auto largest_difference = [&](WavFormat format) {
    save_wav(path, samples, 44100, format);
    const auto back = load_wav<double>(path);
    REQUIRE(back.samples.shape() == samples.shape());
    CHECK(back.sample_rate == 44100.0);
    double largest = 0.0;
    for (std::size_t i = 0; i < samples.size(); ++i)
      largest = std::max(largest, std::abs(back.samples.data()[i] - static_cast<double>(samples.data()[i])));
    return largest;
  };
  CHECK(largest_difference(WavFormat::float32) == 0.0);
  CHECK(read(path).size() < 500 * 2 * 4 + 100);
  CHECK(largest_difference(WavFormat::pcm24) < 0x1p-23);
  CHECK(largest_difference(WavFormat::pcm16) < 0x1p-15);
  CHECK(read(path).size() == 500 * 2 * 2 + 44);
  // The extremes, one channel, beyond full scale, and the same bytes each time.
  const Tensor<double> ends{1.0, -1.0, 0.0};
  save_wav(path, ends, 8000, WavFormat::pcm16);
  const auto back = load_wav<double>(path);
  CHECK(back.samples.shape() == Shape{3, 1});
  CHECK(back.samples(0, 0) == 1.0 - 0x1p-15);
  CHECK(back.samples(1, 0) == -1.0);
  save_wav(path, Tensor<float>{3.0F, -2.5F}, 8000);
  const std::string first = read(path);
  CHECK(load_wav<float>(path).samples(0, 0) == 3.0F);
  save_wav(path, Tensor<float>{3.0F, -2.5F}, 8000);
  CHECK(read(path) == first);
  save_wav(path, zeros<float>({0, 2}), 8000);
  CHECK(load_wav<float>(path).samples.shape() == Shape{0, 2});
}

TEST_CASE("what is no whole WAV file is refused") {
  const test::ScratchFolder folder;
  const std::string path = folder.file("a.wav");
  const auto refuses = [&](const std::string& bytes, const auto& what) {
    write(path, bytes);
    CHECK_THROWS_WITH(load_wav<float>(path), Contains("[load_wav] ") && what);
  };
  refuses("", Contains("expected a WAV file"));
  refuses("RIFF", Contains("expected a WAV file"));
  refuses("no sound at all", Contains("expected a WAV file"));
  refuses("<html>", Contains("expected a WAV file, got"));
  refuses(std::string(".snd\0\0\0\x18\0\0\0\x04\0\0\0\x03\0\0\x1f\x40\0\0\0\x01\0\x01\0\x02", 28),
          Contains("expected a WAV file, got AU"));
  save_wav(path, ones<float>({100}), 8000, WavFormat::pcm16);
  const std::string whole = read(path);
  refuses(whole.substr(0, whole.size() - 50),
          Contains("expected 244 bytes, as its header says, got 194 (truncated?)"));
  save_wav(path, Tensor<float>{0.5F, 0.25F}, 8000);
  std::string broken = read(path);
  const float nan = std::nanf("");
  broken.replace(broken.size() - 4, 4, reinterpret_cast<const char*>(&nan), 4);
  refuses(broken, Contains("sample 1: expected a number, got nan"));
  write(path, whole);
  CHECK_THROWS_WITH(load_wav<double>(path, {.max_bytes = 500}),
                    Contains("expected at most 500 bytes, got 800"));
  CHECK_THROWS_AS(load_wav<float>(folder.file("none.wav")), FileError);
}

TEST_CASE("what a WAV file cannot hold is not written") {
  const test::ScratchFolder folder;
  const std::string path = folder.file("a.wav");
  const auto refuses = [&](const Tensor<double>& samples, double rate, WavFormat format, const auto& what) {
    CHECK_THROWS_WITH(save_wav(path, samples, rate, format), Contains("[save_wav] ") && what);
  };
  const WavFormat exact = WavFormat::float32, rounded = WavFormat::pcm24;
  refuses(zeros<double>({2, 3, 4}), 8000, exact, Contains("samples: expected (T) or (T,C)"));
  refuses(zeros<double>({2, 0}), 8000, exact, Contains("got (2,0)"));
  refuses(zeros<double>({2}), 0, exact, Contains("sample_rate: expected a whole number"));
  refuses(zeros<double>({2}), 44100.5, exact, Contains("got 44100.5"));
  refuses({{0.0, 0.0}, {0.0, -1.25}}, 8000, rounded, Contains("samples[1]: expected -1..1, got -1.25"));
  refuses({0.0, std::nan("")}, 8000, exact,
          Contains("samples[1]: expected a number that a float holds, got nan"));
  refuses({1e39}, 8000, exact, Contains("got 1e+39"));
  CHECK_THROWS_AS(save_wav(folder.file("none/a.wav"), zeros<float>({2}), 8000), FileError);
  CHECK(folder.files() == 0);
}
