#include "training/audio/wav.hpp"

#include <fmt/format.h>
#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/input_file.hpp"
#include "framework/quoted.hpp"

namespace unroll {
namespace {

// What libsndfile reads from and writes to. Its functions are called from C: they throw nothing.
struct Bytes {
  std::string data = {};
  sf_count_t at = 0;

  static sf_count_t length(void* self) { return static_cast<sf_count_t>(of(self).data.size()); }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    Bytes& bytes = of(self);
    const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? bytes.at : length(self);
    if (offset < -base) return -1;
    return bytes.at = base + offset;
  }
  static sf_count_t read(void* to, sf_count_t count, void* self) {
    Bytes& bytes = of(self);
    const sf_count_t left = std::max<sf_count_t>(0, length(self) - bytes.at);
    count = std::clamp<sf_count_t>(count, 0, left);
    std::memcpy(to, bytes.data.data() + bytes.at, static_cast<std::size_t>(count));
    bytes.at += count;
    return count;
  }
  static sf_count_t write(const void* from, sf_count_t count, void* self) try {
    Bytes& bytes = of(self);
    const auto end = static_cast<std::size_t>(bytes.at + count);
    if (end > bytes.data.size()) bytes.data.resize(end);
    std::memcpy(bytes.data.data() + bytes.at, from, static_cast<std::size_t>(count));
    bytes.at += count;
    return count;
  } catch (const std::exception&) {
    return 0;  // a disk that is full
  }
  static sf_count_t tell(void* self) { return of(self).at; }
  static Bytes& of(void* self) { return *static_cast<Bytes*>(self); }
};

using Handle = std::unique_ptr<SNDFILE, decltype(&sf_close)>;

Handle open(Bytes& bytes, int mode, SF_INFO& info) {
  SF_VIRTUAL_IO io{&Bytes::length, &Bytes::seek, &Bytes::read, &Bytes::write, &Bytes::tell};
  return {sf_open_virtual(&io, mode, &info, &bytes), &sf_close};
}

// The size of a file by its header; 0 if that does not say, as in what was written to a pipe.
std::uint64_t claimed_size(const std::string& bytes) {
  std::uint64_t size = 0;
  for (std::size_t i = 8; i-- > 4 && bytes.size() >= 8;)
    size = size << 8U | static_cast<unsigned char>(bytes[i]);
  return size == 0xffffffffU || size == 0 || !bytes.starts_with("RIFF") ? 0 : size + 8;
}

std::string format_name(int format) {
  SF_FORMAT_INFO info{.format = format & SF_FORMAT_TYPEMASK, .name = nullptr, .extension = nullptr};
  const bool known =
      sf_command(nullptr, SFC_GET_FORMAT_INFO, &info, sizeof info) == 0 && info.name != nullptr;
  return known ? info.name : "one of another kind";
}

sf_count_t read_frames(SNDFILE* file, float* to, sf_count_t count) { return sf_readf_float(file, to, count); }
sf_count_t read_frames(SNDFILE* file, double* to, sf_count_t count) {
  return sf_readf_double(file, to, count);
}
sf_count_t write_frames(SNDFILE* file, const float* from, sf_count_t count) {
  return sf_writef_float(file, from, count);
}
sf_count_t write_frames(SNDFILE* file, const double* from, sf_count_t count) {
  return sf_writef_double(file, from, count);
}

int subtype(WavFormat format) {
  switch (format) {
    case WavFormat::pcm24:
      return SF_FORMAT_PCM_24;
    case WavFormat::pcm16:
      return SF_FORMAT_PCM_16;
    case WavFormat::float32:
      break;
  }
  return SF_FORMAT_FLOAT;
}

}  // namespace

template <class S>
Recording<S> load_wav(const std::string& path, const UnpackOptions& options) {
  const InputFile file(path, "load_wav");
  const std::uint64_t limit = detail::unpack_limit(options, file.size());
  const auto check_limit = [&](std::uint64_t bytes) {
    if (bytes > limit)
      file.fail(
          fmt::format("expected at most {} bytes, got {} (set UnpackOptions::max_bytes)", limit, bytes));
  };
  check_limit(file.size());
  if (const std::string kind = file.kind(); !kind.empty()) file.fail("expected a WAV file, got " + kind);
  Bytes bytes{std::string(file.size(), '\0')};
  file.read(0, bytes.data.data(), bytes.data.size());
  SF_INFO info{};
  const Handle handle = open(bytes, SFM_READ, info);
  if (handle == nullptr)
    file.fail(fmt::format("expected a WAV file: {}", escaped(sf_strerror(nullptr), 100)));
  const int type = info.format & SF_FORMAT_TYPEMASK;
  if (type != SF_FORMAT_WAV && type != SF_FORMAT_WAVEX && type != SF_FORMAT_RF64)
    file.fail("expected a WAV file, got " + format_name(info.format));
  // libsndfile takes what there is of a file that was cut.
  if (const std::uint64_t claimed = claimed_size(bytes.data); claimed > file.size())
    file.fail(
        fmt::format("expected {} bytes, as its header says, got {} (truncated?)", claimed, file.size()));
  if (info.frames < 0 || info.channels < 1) file.fail("expected a WAV file with channels, got none");
  const auto steps = static_cast<std::uint64_t>(info.frames),
             channels = static_cast<std::uint64_t>(info.channels);
  if (steps > std::numeric_limits<std::uint64_t>::max() / sizeof(S) / channels)
    file.fail(fmt::format("expected a length that there is, got {} samples", steps));
  check_limit(steps * channels * sizeof(S));
  Recording<S> recording{empty<S>({static_cast<std::size_t>(steps), static_cast<std::size_t>(channels)}),
                         static_cast<double>(info.samplerate)};
  S* const samples = recording.samples.data();
  const sf_count_t got = read_frames(handle.get(), samples, info.frames);
  if (got != info.frames)
    file.fail(fmt::format("expected {} samples, got {} (truncated?)", info.frames, got));
  const std::size_t size = recording.samples.size();
  const S* const wrong = std::find_if_not(samples, samples + size, [](S s) { return std::isfinite(s); });
  if (wrong != samples + size) {
    file.fail(fmt::format("sample {}: expected a number, got {}",
                          static_cast<std::uint64_t>(wrong - samples) / channels, *wrong));
  }
  return recording;
}

template <class S>
void save_wav(const std::string& path, const Tensor<S>& samples, double sample_rate, WavFormat format) {
  const Shape& shape = samples.shape();
  const std::size_t channels = shape.size() == 2 ? shape[1] : 1;
  if (shape.empty() || shape.size() > 2 || channels < 1 || channels > 1024) {
    throw ShapeError(
        fmt::format("[save_wav] samples: expected (T) or (T,C), C from 1 to 1024, got {}", to_string(shape)));
  }
  if (!(sample_rate >= 1.0 && sample_rate <= 0x7fffffff && sample_rate == std::floor(sample_rate))) {
    throw ArgumentError(
        fmt::format("[save_wav] sample_rate: expected a whole number from 1 to 2^31-1, got {}", sample_rate));
  }
  const bool rounds = format != WavFormat::float32;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto s = static_cast<double>(samples.data()[i]);
    if (rounds ? std::abs(s) <= 1.0 : std::abs(s) <= std::numeric_limits<float>::max()) continue;
    throw ArgumentError(fmt::format("[save_wav] samples[{}]: expected {}, got {}", i / channels,
                                    rounds ? "-1..1" : "a number that a float holds", s));
  }
  Bytes bytes;
  SF_INFO info{};
  info.samplerate = static_cast<int>(sample_rate);
  info.channels = static_cast<int>(channels);
  info.format = SF_FORMAT_WAV | subtype(format);
  const auto frames = static_cast<sf_count_t>(samples.size() / channels);
  const auto fail = [&] {
    throw FileError(fmt::format("[save_wav] {}: cannot make a WAV file: {}", escaped(path),
                                escaped(sf_strerror(nullptr), 100)));
  };
  {
    const Handle handle = open(bytes, SFM_WRITE, info);
    if (handle == nullptr) fail();
    // Full scale is the largest number, which 1 would exceed.
    sf_command(handle.get(), SFC_SET_CLIPPING, nullptr, SF_TRUE);
    // Otherwise the file would hold the time.
    sf_command(handle.get(), SFC_SET_ADD_PEAK_CHUNK, nullptr, SF_FALSE);
    if (write_frames(handle.get(), samples.data(), frames) != frames) fail();
  }
  AtomicFile file(path, "save_wav");
  file.write(bytes.data.data(), bytes.data.size());
  file.commit();
}

#define UNROLL_INSTANTIATE(S)                                               \
  template Recording<S> load_wav(const std::string&, const UnpackOptions&); \
  template void save_wav(const std::string&, const Tensor<S>&, double, WavFormat);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
