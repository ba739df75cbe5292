// Element types of files, and safetensors files that are opened before they are read.
#include "framework/tensor_file.hpp"

#include <sys/resource.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "framework/errors.hpp"
#include "framework/serialization.hpp"
#include "tests/scratch.hpp"

using namespace unroll;
namespace fs = std::filesystem;

namespace {

template <class S>
S decoded(Dtype dtype, std::initializer_list<unsigned char> bytes) {
  S result{};
  detail::decode(dtype, bytes.begin(), 1, &result);
  return result;
}

float half(unsigned bits) {
  return decoded<float>(Dtype::f16,
                        {static_cast<unsigned char>(bits & 0xffU), static_cast<unsigned char>(bits >> 8)});
}

// A file that goes away with the test.
struct File {
  test::ScratchFolder folder;
  std::string path = folder.file("file");
  explicit File(const std::string& bytes) { test::write_bytes(path, bytes); }
};

// A safetensors file of this header and data.
std::string with_header(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

template <class... S>
std::vector<Dtype> readable_types(Rounding rounding) {
  std::vector<Dtype> types;
  for (int i = 0; i <= static_cast<int>(Dtype::c64); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    if ((readable_as<S>(dtype, rounding) && ...)) types.push_back(dtype);
  }
  return types;
}

}  // namespace

TEST_CASE("every float16 number is read as the number it stands for") {
  // By the definition: (-1)^s 2^(e-15) 1.f, 2^-14 0.f, infinity and NaN.
  for (unsigned bits = 0; bits < 0x10000U; ++bits) {
    const unsigned e = bits >> 10 & 31U, f = bits & 1023U;
    const double sign = bits >> 15 != 0 ? -1.0 : 1.0;
    const double want = e == 31  ? (f == 0 ? HUGE_VAL : NAN)
                        : e == 0 ? std::ldexp(f / 1024.0, -14)
                                 : std::ldexp(1.0 + f / 1024.0, static_cast<int>(e) - 15);
    const float got = half(bits);
    if (std::isnan(want) ? !std::isnan(got) : static_cast<double>(got) != sign * want) {
      CAPTURE(bits, want, got);
      FAIL();
    }
    if (std::signbit(got) != (sign < 0)) FAIL("sign of " << bits);
  }
}

TEST_CASE("bfloat16 numbers are the upper halves of floats") {
  for (unsigned bits = 0; bits < 0x10000U; ++bits) {
    const auto low = static_cast<unsigned char>(bits & 0xffU), high = static_cast<unsigned char>(bits >> 8);
    const auto got = decoded<float>(Dtype::bf16, {low, high});
    if (std::bit_cast<std::uint32_t>(got) != bits << 16) FAIL(bits);
  }
}

TEST_CASE("numbers are read as another type only if that has all of them") {
  using enum Dtype;
  using Types = std::vector<Dtype>;
  const auto strict = Rounding::refuse, nearest = Rounding::nearest;
  CHECK(readable_types<bool>(nearest) == Types{boolean});
  CHECK(readable_types<float>(strict) == Types{boolean, u8, i8, u16, i16, f16, bf16, f32});
  CHECK(readable_types<double>(strict) == Types{boolean, u8, i8, u16, i16, u32, i32, f16, bf16, f32, f64});
  CHECK(readable_types<float, double>(nearest) ==
        Types{boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64});
  CHECK(readable_types<std::int64_t>(nearest) == Types{boolean, u8, i8, u16, i16, u32, i32, i64});
  CHECK(readable_types<std::uint16_t>(strict) == Types{boolean, u8, u16});
  CHECK(readable_types<std::int8_t>(strict) == Types{boolean, i8});

  CHECK(decoded<std::int64_t>(i8, {0xfe}) == -2);
  CHECK(decoded<double>(i32, {0xff, 0xff, 0xff, 0x7f}) == 2147483647.0);
  CHECK(decoded<std::uint64_t>(u64, {0, 0, 0, 0, 0, 0, 0, 0x80}) == std::uint64_t{1} << 63);
  CHECK(decoded<float>(f64, {0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f}) == 0.1F);  // the nearest
  CHECK(decoded<bool>(boolean, {2}));
  CHECK(decoded<float>(boolean, {0xff}) == 1.0F);
}

TEST_CASE("every type has a name, a size and is the type of its C++ type") {
  for (int i = 0; i <= static_cast<int>(Dtype::c64); ++i) {
    CHECK(dtype_of_name(to_string(static_cast<Dtype>(i))) == static_cast<Dtype>(i));
  }
  CHECK_FALSE(dtype_of_name("F128"));
  CHECK(std::string(to_string(dtype_of<std::int16_t>())) == "I16");
  CHECK(std::string(to_string(dtype_of<std::uint64_t>())) == "U64");
  CHECK(std::string(to_string(dtype_of<std::int8_t>())) == "I8");
  CHECK(std::string(to_string(dtype_of<bool>())) == "BOOL");
  CHECK(std::string(to_string(dtype_of<double>())) == "F64");
  CHECK(size_of(dtype_of<std::uint32_t>()) == 4);
  CHECK(size_of(Dtype::c64) == 8);
  CHECK(size_of(Dtype::bf16) == 2);
}

TEST_CASE("an open file says what it holds, in the order of its bytes, and reads tensors of any type") {
  // Not aligned anywhere: header of 21 + 8 bytes and so on, as files of other writers are.
  const File file(
      with_header(R"({"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},"__metadata__":{"a":"1"},)"
                  R"("n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                  R"("h":{"dtype":"F16","shape":[2,1],"data_offsets":[11,15]},)"
                  R"("e":{"dtype":"F64","shape":[0,2],"data_offsets":[8,8]},)"
                  R"("x":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[15,16]}})",
                  std::string("\xfe\xff\xff\xff\xff\xff\xff\xff\x01\x02\xff\x00\x3c\x00\xc0?", 16)));
  const auto open = open_safetensors(file.path);
  std::string order;
  for (const TensorInfo& info : open->tensors()) order += info.name;
  CHECK(order == "nebhx");
  CHECK(open->metadata() == std::map<std::string, std::string>{{"a", "1"}});
  CHECK(open->info("h").dtype == Dtype::f16);
  CHECK(open->info("h").shape == Shape{2, 1});
  CHECK(open->contains("e"));
  CHECK_FALSE(open->contains("f"));

  CHECK((open->read<float>("h") == from_values<float>({2, 1}, {1.0F, -2.0F})));
  CHECK((open->read<double>("h") == from_values<double>({2, 1}, {1.0, -2.0})));
  CHECK(open->read<std::int64_t>("n")() == -2);
  CHECK(open->read<double>("n", Rounding::nearest)() == -2.0);
  CHECK((open->read<std::uint8_t>("b") == Tensor<std::uint8_t>{1, 2, 255}));
  CHECK((open->read<float>("b") == Tensor<float>{1.0F, 2.0F, 255.0F}));
  CHECK(open->read<double>("e").shape() == Shape{0, 2});

  const std::string start = "[open_safetensors] " + file.path + ": ";
  CHECK_THROWS_AS(open->read<float>("f"), FileError);
  CHECK_THROWS_WITH(open->read<float>("f"), start + "expected a tensor 'f', got none of that name");
  CHECK_THROWS_WITH(open->info("f"), start + "expected a tensor 'f', got none of that name");
  CHECK_THROWS_WITH(open->read<float>("n"),
                    start + "tensor 'n': expected F32, got I64 (Rounding::nearest rounds)");
  CHECK_THROWS_WITH(open->read<std::int32_t>("n"), start + "tensor 'n': expected I32, got I64");
  CHECK_THROWS_WITH(open->read<float>("x", Rounding::nearest),
                    start + "tensor 'x': expected F32, got F8_E5M2");

  fs::resize_file(file.path, fs::file_size(file.path) - 2);  // while it is open
  CHECK_THROWS_WITH(open->read<float>("h"), Catch::Contains("expected 4 bytes more, got 3 (truncated?)"));
}

TEST_CASE("half-precision weights are read as float and double") {
  const File file(with_header(R"({"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})",
                              std::string("\x80\x3f\x00\xc0", 4)));
  CHECK((load_tensors<float>(file.path).tensors.at("w") == Tensor<float>{1.0F, -2.0F}));
  CHECK((load_tensors<double>(file.path).tensors.at("w") == Tensor<double>{1.0, -2.0}));
}

TEST_CASE("a long tensor of another type is converted whole") {
  const std::size_t n = 100003;  // more than one block, and no multiple of one
  std::string data;
  for (std::size_t i = 0; i < n; ++i)
    data += {static_cast<char>(i & 0xffU), static_cast<char>(i >> 8 & 0x7fU)};
  const std::string size = std::to_string(n);
  const File file(with_header(
      R"({"w":{"dtype":"I16","shape":[)" + size + R"(],"data_offsets":[0,)" + std::to_string(2 * n) + "]}}",
      data));
  const auto values = open_safetensors(file.path)->read<double>("w");
  for (std::size_t i = 0; i < n; ++i) {
    if (values(i) != static_cast<double>(i & 0x7fffU)) FAIL(i);
  }
}

TEST_CASE("a tensor that cannot be read does not keep the others from being read") {
  const File file(with_header(R"({"new":{"dtype":"F8_E4M3FNUZ","shape":[3],"data_offsets":[0,3]},)"
                              R"("half":{"dtype":"F4","shape":[2],"data_offsets":[3,4]},)"
                              R"("deep":{"dtype":"U8","shape":[1,1,1,1,1,1,2],"data_offsets":[4,6]},)"
                              R"("w":{"dtype":"F32","shape":[1],"data_offsets":[6,10]}})",
                              std::string("abcdef\x00\x00\x80\x3f", 10)));
  const auto open = open_safetensors(file.path);
  REQUIRE(open->tensors().size() == 4);
  CHECK((open->read<float>("w") == Tensor<float>{1.0F}));
  CHECK(open->info("new").dtype == Dtype::other);
  CHECK(open->info("new").unreadable == "F8_E4M3FNUZ");
  CHECK(open->info("new").shape == Shape{3});
  const std::string start = "[open_safetensors] " + file.path + ": ";
  for (const Rounding rounding : {Rounding::refuse, Rounding::nearest}) {
    CHECK_THROWS_WITH(open->read<float>("new", rounding),
                      start + "tensor 'new': expected F32, got F8_E4M3FNUZ");
    CHECK_THROWS_WITH(open->read<double>("half", rounding), start + "tensor 'half': expected F64, got F4");
    CHECK_THROWS_WITH(open->read<std::uint8_t>("deep", rounding),
                      start + "tensor 'deep': expected U8, got 7 axes (at most 6 are read)");
  }
  CHECK_THROWS_WITH(load_tensors<float>(file.path),
                    Catch::Contains("'new': expected F32, F16 or BF16, got F8_E4M3FNUZ"));
}

TEST_CASE("what an open file says of itself outlives the file") {
  using Info = decltype(std::declval<const TensorFile&>().info(""));
  STATIC_REQUIRE_FALSE(std::is_reference_v<Info>);
  const File file(with_header(
      R"({"__metadata__":{"a":"1"},"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", "1234"));
  for (const TensorInfo& info : open_safetensors(file.path)->tensors()) CHECK(info.name == "w");
  for (const auto& [key, text] : open_safetensors(file.path)->metadata()) CHECK(key + text == "a1");
}

#if UNROLL_POOL  // a sanitizer has memory of its own
TEST_CASE("a tensor that finds no memory is named") {
  // A gigabyte of nothing, of which the disk keeps the header only.
  const File file(
      with_header(R"({"w":{"dtype":"U8","shape":[1073741824],"data_offsets":[0,1073741824]}})", ""));
  fs::resize_file(file.path, fs::file_size(file.path) + (std::uintmax_t{1} << 30));
  const auto open = open_safetensors(file.path);
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_DATA, &before) == 0);
  struct rlimit small = before;
  small.rlim_cur = rlim_t{1} << 29;
  REQUIRE(::setrlimit(RLIMIT_DATA, &small) == 0);
  std::string message;
  try {
    open->read<double>("w");
  } catch (const MemoryError& error) {
    message = error.what();
  }
  REQUIRE(::setrlimit(RLIMIT_DATA, &before) == 0);
  CHECK(message ==
        "[open_safetensors] " + file.path + ": tensor 'w': not enough memory for (1073741824) of F64");
}
#endif
