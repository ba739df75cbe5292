#include "training/data/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <filesystem>
#include <iostream>
#include <limits>

#include "framework/errors.hpp"
#include "tests/little_memory.hpp"
#include "tests/training/data/same.hpp"
#include "tests/training/data/scratch_file.hpp"

using namespace unroll;

namespace {

std::string big_endian(std::uint64_t bits, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(static_cast<unsigned char>(bits >> (8 * i)));
  return text;
}

std::string idx(int type, const std::vector<std::uint32_t>& shape, const std::string& elements) {
  std::string text{'\0', '\0', static_cast<char>(type), static_cast<char>(shape.size())};
  for (const std::uint32_t size : shape) text += big_endian(size, 4);
  return text + elements;
}

std::string gzipped(const std::string& bytes) {
  const ScratchFile file("", ".gz");
  const gzFile out = ::gzopen(file.path.c_str(), "wb");
  ::gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  ::gzclose(out);
  std::ifstream in(file.path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

template <class S>
Tensor<S> read(const std::string& bytes) {
  return read_idx<S>(ScratchFile(bytes, ".idx").path);
}

void refuses(const std::string& bytes, const std::string& message) {
  const ScratchFile file(bytes);
  CHECK_THROWS_AS(read_idx<float>(file.path), FileError);
  CHECK_THROWS_WITH(read_idx<float>(file.path), "[read_idx] " + file.path + ": " + message);
}

const std::string kBytes("\x00\x01\x7f\x80\xfe\xff", 6);

}  // namespace

TEST_CASE("every element type of the IDX format is read") {
  CHECK(same(read<float>(idx(0x08, {2, 3}, kBytes)), Tensor<float>{{0, 1, 127}, {128, 254, 255}}));
  CHECK(same(read<double>(idx(0x09, {3, 2}, kBytes)), Tensor<double>{{0, 1}, {127, -128}, {-2, -1}}));
  CHECK(same(read<std::int64_t>(idx(0x08, {6}, kBytes)), IndexTensor{0, 1, 127, 128, 254, 255}));
  CHECK(same(read<std::int64_t>(idx(0x0B, {1, 3}, kBytes)), IndexTensor{{1, 32640, -257}}));
  CHECK(same(read<float>(idx(0x0B, {2}, big_endian(0x8000, 2) + big_endian(0x1234, 2))),
             Tensor<float>{-32768.0F, 4660.0F}));
  const std::string longs =
      big_endian(0x80000000U, 4) + big_endian(0x7fffffffU, 4) + big_endian(0xfffffffeU, 4);
  CHECK(same(read<std::int64_t>(idx(0x0C, {3}, longs)), IndexTensor{-2147483648LL, 2147483647, -2}));
  CHECK(same(read<double>(idx(0x0C, {3}, longs)), Tensor<double>{-2147483648.0, 2147483647.0, -2.0}));
  std::string floats, doubles;
  for (const double v : {1.5, -0.1, 3e38}) {
    floats += big_endian(std::bit_cast<std::uint32_t>(static_cast<float>(v)), 4);
    doubles += big_endian(std::bit_cast<std::uint64_t>(v), 8);
  }
  CHECK(same(read<float>(idx(0x0D, {3}, floats)), Tensor<float>{1.5F, -0.1F, 3e38F}));
  CHECK(same(read<double>(idx(0x0D, {3}, floats)),
             Tensor<double>{1.5, static_cast<double>(-0.1F), static_cast<double>(3e38F)}));
  CHECK(same(read<double>(idx(0x0E, {1, 1, 3}, doubles)), Tensor<double>{{{1.5, -0.1, 3e38}}}));
  CHECK(read<float>(idx(0x08, {0, 3}, "")).shape() == Shape{0, 3});
}

TEST_CASE("a gzipped IDX file gives what the plain one gives") {
  const std::string plain = idx(0x08, {2, 3}, kBytes);
  CHECK(same(read<float>(gzipped(plain)), read<float>(plain)));
  std::string large;
  for (int i = 0; i < 300000; ++i) large += static_cast<char>(i * 7 % 251);
  CHECK(same(read<double>(gzipped(idx(0x09, {300, 1000}, large))),
             read<double>(idx(0x09, {300, 1000}, large))));
}

TEST_CASE("a type that the tensor's elements cannot hold is refused") {
  refuses(idx(0x0C, {1}, "1234"), "expected elements that a float holds, got i32");
  refuses(idx(0x0E, {1}, "12345678"), "expected elements that a float holds, got f64");
  CHECK_THROWS_WITH(read<std::int64_t>(idx(0x0D, {1}, "1234")),
                    Catch::EndsWith("expected elements that a 64-bit integer holds, got f32"));
}

TEST_CASE("files that are no whole IDX file are refused") {
  const std::string no_idx =
      "expected an IDX file (two bytes 0, a type, a number of axes), got something else";
  refuses("", no_idx);
  refuses(std::string("\0\0\x08", 3), no_idx);
  refuses("P5 28 28", no_idx);
  refuses(idx(0x0A, {1}, "1"), "expected an element type 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e, got 0x0a");
  refuses(idx(0x08, {}, "1"), "expected 1..6 axes, got 0");
  refuses(idx(0x08, {1, 1, 1, 1, 1, 1, 1}, "1"), "expected 1..6 axes, got 7");
  refuses(idx(0x08, {2, 3}, "").substr(0, 11), "expected the sizes of 2 axes, got the end of the file");
  refuses(idx(0x08, {2, 3}, "12345"), "expected 6 bytes of elements (u8 of (2,3)), got 5");
  refuses(idx(0x08, {2, 3}, "1234567"),
          "expected the end of the file after 6 bytes of elements (u8 of (2,3)), got more");
  refuses(idx(0x0B, {3}, "12345"), "expected 6 bytes of elements (i16 of (3)), got 5");
  refuses(idx(0x08, {0xffffffffU, 0xffffffffU}, "12"),
          "expected sizes that fit memory, got (4294967295,4294967295)");
  // Nothing in it, but strides that no memory could be counted with.
  refuses(idx(0x08, {0, 0xffffffffU, 0xffffffffU}, ""),
          "expected sizes that fit memory, got (0,4294967295,4294967295)");
  refuses(idx(0x08, {0xffffffffU, 0xffffffffU, 0}, ""),
          "expected sizes that fit memory, got (4294967295,4294967295,0)");
  // Four thousand million elements are claimed, and not asked memory for.
  refuses(idx(0x08, {0xffffffffU}, "12"),
          "expected 4294967295 bytes of elements (u8 of (4294967295)), got 2");
  CHECK_THROWS_WITH(read_idx<float>("/no/such/file"),
                    "[read_idx] /no/such/file: cannot read the file: No such file or directory");
  const std::string folder = std::filesystem::temp_directory_path().string();
  CHECK_THROWS_WITH(read_idx<float>(folder),
                    "[read_idx] " + folder + ": expected a regular file, got a directory or device");
  const std::string kind = "expected an IDX file (two bytes 0, a type, a number of axes), got ";
  refuses("<!DOCTYPE html>", kind + "an HTML page (was it downloaded from the right address?)");
}

TEST_CASE("a gzipped IDX file that breaks off or is damaged is refused") {
  std::string elements;
  for (int i = 0; i < 4000; ++i) elements += static_cast<char>(i * i % 253);
  const std::string whole = gzipped(idx(0x08, {40, 100}, elements));
  REQUIRE(read<float>(whole).size() == 4000);
  for (const std::size_t size : {whole.size() - 1, whole.size() - 8, whole.size() / 2, std::size_t{12}}) {
    CAPTURE(size, whole.size());
    CHECK_THROWS_AS(read<float>(whole.substr(0, size)), FileError);
  }
  for (std::size_t at = whole.size() - 8; at < whole.size(); ++at) {  // the sum and the length at the end
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    CAPTURE(at);
    CHECK_THROWS_AS(read<float>(damaged), FileError);
  }
}

TEST_CASE("bytes behind the compressed data of an IDX file are refused; a further stream is part of it") {
  const std::string plain = idx(0x08, {2, 3}, kBytes), whole = gzipped(plain);
  refuses(whole + "x", "expected the end of the file after the compressed data, got 1 bytes more");
  refuses(whole + std::string(1000, '\0'),
          "expected the end of the file after the compressed data, got 1000 bytes more");
  CHECK(same(read<float>(gzipped(plain.substr(0, 15)) + gzipped(plain.substr(15))), read<float>(plain)));
  refuses(whole + gzipped("7"),
          "expected the end of the file after 6 bytes of elements (u8 of (2,3)), got more");
}

TEST_CASE("a compressed IDX file that claims much is refused before memory is asked for") {
  const LittleMemory limit;
  // Of 300 million elements and of 60 million that take 480 megabytes as int64, as the header says; few are
  // there.
  const std::string bomb = gzipped(idx(0x08, {300000000}, kBytes));
  refuses(bomb, "expected at most 268435456 bytes in memory from a compressed file of " +
                    std::to_string(bomb.size()) +
                    ", got 300000000 bytes of elements (u8 of (300000000)) (.max_bytes allows more)");
  CHECK_THROWS_WITH(read<std::int64_t>(gzipped(idx(0x08, {60000, 1000}, kBytes))),
                    Catch::Contains(".max_bytes"));

  // Much more is there than the header says.
  const std::string more = gzipped(idx(0x08, {6}, kBytes + std::string(30000000, '\0')));
  refuses(more, "expected the end of the file after 6 bytes of elements (u8 of (6)), got more");

  const ScratchFile file(gzipped(idx(0x08, {2, 3}, kBytes)));
  CHECK(read_idx<double>(file.path, {.max_bytes = 48}).size() == 6);
  CHECK_THROWS_WITH(read_idx<double>(file.path, {.max_bytes = 47}),
                    Catch::Contains("expected at most 47 bytes"));
  const ScratchFile plain(idx(0x08, {2, 3}, kBytes));  // which is as large as it says
  CHECK(read_idx<double>(plain.path, {.max_bytes = 1}).size() == 6);
}

TEST_CASE("Fashion-MNIST as Debian installs it is read (package dataset-fashion-mnist)") {
  const std::string folder = "/usr/share/datasets/fashion-mnist/";
  if (!std::filesystem::exists(folder)) {
    std::cout << "SKIPPED: Fashion-MNIST as Debian installs it is read: expected the package "
                 "dataset-fashion-mnist, got none\n";
    return;
  }
  const Tensor<float> images = read_idx<float>(folder + "t10k-images-idx3-ubyte.gz");
  const IndexTensor labels = read_idx<std::int64_t>(folder + "t10k-labels-idx1-ubyte.gz");
  CHECK(images.shape() == Shape{10000, 28, 28});
  REQUIRE(labels.shape() == Shape{10000});
  std::vector<int> counts(10, 0);
  for (std::size_t i = 0; i < labels.size(); ++i) ++counts.at(static_cast<std::size_t>(labels(i)));
  for (const int count : counts) CHECK(count == 1000);  // as its description says
  std::array<bool, 256> seen{};
  for (const float pixel : images.storage()) seen.at(static_cast<std::size_t>(pixel)) = true;
  CHECK(std::count(seen.begin(), seen.end(), true) == 256);
  CHECK(read_idx<float>(folder + "train-images-idx3-ubyte.gz").shape() == Shape{60000, 28, 28});
}
