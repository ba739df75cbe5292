#include "framework/serialization.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "tests/scratch.hpp"

using namespace unroll;
using test::read_bytes;
using test::write_bytes;
using Folder = test::ScratchFolder;
namespace fs = std::filesystem;

namespace {

// A file of this header, as it is, and data.
std::string with_header(const std::string& header, const std::string& data = "") {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

template <class S>
void check_same(const StateDict<S>& a, const StateDict<S>& b) {
  CHECK(a.metadata == b.metadata);
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    CAPTURE(name);
    REQUIRE(b.tensors.contains(name));
    const Tensor<S>& other = b.tensors.at(name);
    REQUIRE(tensor.shape() == other.shape());
    CHECK((tensor.size() == 0 || std::memcmp(tensor.data(), other.data(), tensor.size() * sizeof(S)) == 0));
  }
}

template <class S>
StateDict<S> example() {
  Rng rng(3);
  StateDict<S> state;
  state.tensors["lstm.weight_ih_l0"] = random_normal<S>({8, 3}, 0.0, 1.0, rng);
  state.tensors["scalar"] = Tensor<S>(S(2.5));
  state.tensors["empty"] = Tensor<S>(Shape{0, 4});
  state.tensors["six axes"] = random_normal<S>({1, 2, 3, 1, 2, 2}, 0.0, 1.0, rng);
  state.tensors["extremes"] =
      Tensor<S>{-S(0), std::numeric_limits<S>::denorm_min(), std::numeric_limits<S>::max(),
                std::numeric_limits<S>::infinity(), std::numeric_limits<S>::quiet_NaN()};
  state.tensors["größe \"\\\n\t\x01 名前 🙂"] = ones<S>({2});
  state.tensors[""] = zeros<S>({3});
  state.metadata = {{"format", "pt"}, {"vocabulary \"ñ\"", "a\nb\tç\\ 🙂 {\"json\": [1]}"}, {"", ""}};
  return state;
}

}  // namespace

TEMPLATE_TEST_CASE("what is saved is loaded bit for bit", "", float, double) {
  const Folder folder;
  const auto state = example<TestType>();
  save_tensors(folder.file("model.safetensors"), state);
  check_same(state, load_tensors<TestType>(folder.file("model.safetensors")));
  CHECK(folder.files() == 1);  // nothing is left beside it

  const StateDict<TestType> nothing;
  save_tensors(folder.file("model.safetensors"), nothing);
  check_same(nothing, load_tensors<TestType>(folder.file("model.safetensors")));
  CHECK(read_bytes(folder.file("model.safetensors")) == with_header("{}      "));
}

TEST_CASE("a small file, byte by byte") {
  const Folder folder;
  StateDict<float> state;
  state.tensors["w"] = Tensor<float>{{1.0F, -2.0F}};
  state.tensors["b"] = Tensor<float>(0.5F);
  state.metadata["epoch"] = "3";
  save_tensors(folder.file("a"), state);
  const std::string header =
      R"({"__metadata__":{"epoch":"3"},"b":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("w":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]}})";
  const std::string padding(144 - header.size(), ' ');
  const std::string data("\x00\x00\x00\x3f\x00\x00\x80\x3f\x00\x00\x00\xc0", 12);
  CHECK(read_bytes(folder.file("a")) == std::string("\x90\0\0\0\0\0\0\0", 8) + header + padding + data);

  StateDict<double> in_double;
  in_double.tensors["w"] = Tensor<double>{-2.0};
  save_tensors(folder.file("b"), in_double);
  const std::string double_header = R"({"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})";
  CHECK(read_bytes(folder.file("b")) ==
        with_header(double_header + std::string(56 - double_header.size(), ' '),
                    std::string("\0\0\0\0\0\0\0\xc0", 8)));
}

TEST_CASE("a file from elsewhere may have other spacing and order") {
  const Folder folder;
  write_bytes(folder.file("a"),
              with_header("{ \"z\" : {\"shape\": [2], \"data_offsets\": [0, 8], \"dtype\": \"F32\"},\n"
                          " \"a\": {\"data_offsets\":[8,16],\"dtype\":\"F64\",\"shape\":[1,1]} }   ",
                          std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0\0\0\0\0\0\0\0\xc0", 16)));
  const auto state = load_tensors<double>(folder.file("a"));  // F32 and F64 in one file
  CHECK(state.tensors.at("z") == Tensor<double>{1.0, -2.0});
  CHECK(state.tensors.at("a") == full<double>({1, 1}, -2.0));
  CHECK(state.metadata.empty());
  CHECK_THROWS_WITH(load_tensors<float>(folder.file("a")),
                    Catch::Contains("'a': expected F32, F16 or BF16, got F64"));
}

TEST_CASE("a file cut anywhere is refused") {
  const Folder folder;
  StateDict<float> state;
  state.tensors["weight"] = Tensor<float>{{1.0F, 2.0F, 3.0F}, {4.0F, 5.0F, 6.0F}};
  state.tensors["bias"] = Tensor<float>{1.0F, 2.0F};
  state.metadata["vocabulary"] = "abc";
  save_tensors(folder.file("whole"), state);
  const std::string whole = read_bytes(folder.file("whole"));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    write_bytes(folder.file("cut"), whole.substr(0, length));
    CHECK_THROWS_AS(load_tensors<float>(folder.file("cut")), FileError);
    CHECK_THROWS_WITH(load_tensors<float>(folder.file("cut")),
                      Catch::Contains(folder.file("cut")) && Catch::Contains("expected"));
  }
  write_bytes(folder.file("cut"), whole + "x");
  CHECK_THROWS_WITH(load_tensors<float>(folder.file("cut")),
                    Catch::Contains("expected 32 bytes after the header"));
}

TEST_CASE("a file with any byte changed is refused or read, never more") {
  const Folder folder;
  StateDict<float> state;
  state.tensors["w"] = Tensor<float>{1.0F, 2.0F};
  state.metadata["m"] = "x";
  save_tensors(folder.file("whole"), state);
  const std::string whole = read_bytes(folder.file("whole"));
  std::size_t refused = 0, read = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char change : {'\x01', '\x20', '\x80', '\xff', '\x0f'}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      write_bytes(folder.file("changed"), bytes);
      try {
        const auto loaded = load_tensors<float>(folder.file("changed"));
        ++read;
        for (const auto& [name, tensor] : loaded.tensors) CHECK(tensor.size() <= 2);
      } catch (const FileError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 250);  // the header
  CHECK(read > 40);      // the numbers, the names
}

TEST_CASE("malformed files are refused with the file's name and what is wrong") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  const auto refuses = [&](const std::string& bytes, const std::string& what) {
    write_bytes(path, bytes);
    CAPTURE(bytes);
    CHECK_THROWS_AS(load_tensors<double>(path), FileError);
    CHECK_THROWS_WITH(load_tensors<double>(path), Catch::StartsWith("[load_tensors] " + path + ": ") &&
                                                      Catch::Contains("expected") && Catch::Contains("got") &&
                                                      Catch::Contains(what));
  };
  const auto entry = [](const std::string& value) {
    return with_header("{\"w\":" + value + "}", std::string(8, 'x'));
  };
  const std::string eight(8, 'x');

  refuses("", "expected at least 8 bytes");
  refuses(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), "header length 18446744073709551615");
  refuses(std::string("\x03\0\0\0\0\0\0\0{}", 10), "at most 2 bytes");
  refuses("not a safetensors file at all", "not a safetensors file");
  refuses(with_header(""), "begins with '{', got an empty one");
  refuses(with_header("{"), "JSON");
  refuses(with_header("{}x"), "JSON");
  refuses(with_header("[]"), "begins with '{'");
  refuses(with_header(" {}"), "begins with '{'");  // blanks may only follow
  refuses(with_header("null"), "begins with '{'");
  refuses(with_header("{\"\xff\":1}"), "UTF-8");
  refuses(with_header("{\"w\":" + std::string(50000, '[') + std::string(50000, ']') + "}"),
          "'w': expected {dtype, shape, data_offsets}, got a list");
  refuses(entry("1"), "'w': expected {dtype, shape, data_offsets}, got 1");
  refuses(entry(R"({"dtype":"F32","shape":[2]})"), "'w': expected {dtype, shape, data_offsets}");
  refuses(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1})"), "'w': expected {dtype");
  refuses(entry(R"({"dtype":"F17","shape":[4],"data_offsets":[0,8]})"),
          "'w': expected F64, F32, F16 or BF16, got F17");
  refuses(entry(R"({"dtype":"F4","shape":[16],"data_offsets":[0,8]})"), "got F4");
  refuses(entry(R"({"dtype":"f32","shape":[2],"data_offsets":[0,8]})"), "got f32");
  refuses(entry(R"({"dtype":32,"shape":[2],"data_offsets":[0,8]})"),
          "'w' dtype: expected a type's name (BOOL, U8 .. I64, F16, BF16, F32, F64 ..), got 32");
  refuses(entry(R"({"dtype":"F 4","shape":[2],"data_offsets":[0,8]})"), "'w' dtype: expected a type's name");
  refuses(entry(R"({"dtype":"I64","shape":[1],"data_offsets":[0,8]})"),
          "'w': expected F64, F32, F16 or BF16, got I64");
  refuses(entry(R"({"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]})"), "got F8_E4M3");
  refuses(entry(R"({"dtype":"F16","shape":[2],"data_offsets":[0,8]})"), "expected 4 bytes for F16 (2)");
  refuses(entry(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"),
          "'w' shape: expected a list of sizes, got 2");
  refuses(entry(R"({"dtype":"F32","shape":[1,1,1,1,1,1,2],"data_offsets":[0,8]})"),
          "got 7 axes (at most 6 are read)");
  std::string axes = "1";
  for (int i = 0; i < 100; ++i) axes += ",1";
  refuses(entry(R"({"dtype":"F32","shape":[)" + axes + R"(],"data_offsets":[0,4]})"),
          "expected a list of sizes, got more");
  refuses(entry(R"({"dtype":"F32","shape":[[2]],"data_offsets":[0,8]})"), "whole numbers >= 0, got a list");
  refuses(entry(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})"), "'dtype' twice");
  refuses(entry(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), "whole numbers >= 0, got -2");
  refuses(entry(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), "whole numbers >= 0, got 2.0");
  refuses(entry(R"({"dtype":"F32","shape":["2"],"data_offsets":[0,8]})"), "whole numbers >= 0, got '2'");
  refuses(entry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})"), "memory");
  refuses(entry(R"({"dtype":"F32","shape":[0,9223372036854775807,2],"data_offsets":[0,0]})"), "memory");
  refuses(entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), "expected 12 bytes for F32 (3)");
  refuses(entry(R"({"dtype":"F64","shape":[2],"data_offsets":[0,8]})"), "expected 16 bytes for F64 (2)");
  refuses(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})"), "[begin, end]");
  refuses(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4,8]})"), "[begin, end]");
  refuses(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), "begin <= end <= 8");
  refuses(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,16]})"), "begin <= end <= 8");
  refuses(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"), "got -8");
  refuses(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]})"), "whole numbers");
  refuses(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})"), "a begin of 0");
  refuses(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})"), "expected 4 bytes after the header");
  const std::string one = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  refuses(with_header("{\"a\":" + one + ",\"b\":" + one + "}", "xxxx"), "overlap");
  refuses(
      with_header("{\"a\":" + one + ",\"b\":" + R"({"dtype":"F32","shape":[0],"data_offsets":[2,2]})" + "}",
                  "xxxx"),
      "overlap");
  refuses(with_header("{\"a\":" + one + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                      eight + "xxxx"),
          "gap");
  refuses(with_header("{\"a\":" + one + ",\"a\":" + one + "}", "xxxx"), "'a' twice");
  refuses(with_header(R"({"__metadata__":{"a":"1","a":"2"}})"), "'a' twice");
  refuses(with_header(R"({"__metadata__":{"a":[[]]}})"), "__metadata__ 'a': expected a string, got a list");
  refuses(with_header(R"({"__metadata__":[]})"), "__metadata__: expected an object, got a list");
  refuses(with_header(R"({"__metadata__":{"epoch":3}})"),
          "__metadata__ 'epoch': expected a string, got a number");
}

TEST_CASE("a missing file, a folder and an unreadable place are refused") {
  const Folder folder;
  CHECK_THROWS_AS(load_tensors<float>(folder.file("none")), FileError);
  CHECK_THROWS_WITH(load_tensors<float>(folder.file("none")),
                    Catch::Contains(folder.file("none")) && Catch::Contains("No such file"));
  CHECK_THROWS_WITH(load_tensors<float>(folder.path().string()), Catch::Contains("regular file"));
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(load_tensors<float>(folder.file("pipe")), FileError);  // and does not wait for a writer
  CHECK_THROWS_WITH(save_tensors(folder.file("none/model"), example<float>()),
                    Catch::Contains("[save_tensors]") && Catch::Contains("none/model"));
  fs::create_directory(folder.file("taken"));
  CHECK_THROWS_AS(save_tensors(folder.file("taken"), example<float>()), FileError);
  CHECK(folder.files() == 2);
}

TEST_CASE("a write that fails leaves the old file and nothing else") {
  const Folder folder;
  const std::string path = folder.file("model");
  const auto old = example<float>();
  save_tensors(path, old);
  StateDict<float> large;
  large.tensors["w"] = zeros<float>({1 << 16});
  // The system refuses to let any file grow beyond 64 KiB for a moment, as a full disk would.
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 1 << 16;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  try {
    save_tensors(path, large);
  } catch (const FileError& error) {
    message = error.what();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, Catch::Contains(path) && Catch::Contains("cannot write the file: "));
  check_same(old, load_tensors<float>(path));
  CHECK(folder.files() == 1);
  save_tensors(path, large);
  check_same(large, load_tensors<float>(path));
}

TEST_CASE("names and texts that the format cannot hold are refused before anything is written") {
  const Folder folder;
  StateDict<float> state;
  state.tensors["\xff\xfe"] = ones<float>({1});
  CHECK_THROWS_AS(save_tensors(folder.file("a"), state), ArgumentError);
  state.tensors.clear();
  state.metadata["key"] = "\xc3";
  CHECK_THROWS_AS(save_tensors(folder.file("a"), state), ArgumentError);
  state.metadata.clear();
  state.tensors["__metadata__"] = ones<float>({1});
  CHECK_THROWS_WITH(save_tensors(folder.file("a"), state), Catch::Contains("__metadata__"));
  CHECK(folder.files() == 0);
}

TEST_CASE("a file may hold very many tensors") {
  // Each name is looked up once; an effort that grew with the square of their number would take minutes.
  const Folder folder;
  const int count = 200000;
  std::string header = "{";
  for (int i = 0; i < count; ++i) {
    if (i > 0) header += ',';
    header += "\"t" + std::to_string(i) + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  }
  write_bytes(folder.file("many"), with_header(header + "}"));
  CHECK(load_tensors<float>(folder.file("many")).tensors.size() == count);
  write_bytes(folder.file("many"),
              with_header(header + R"(,"t7":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})"));
  CHECK_THROWS_WITH(load_tensors<float>(folder.file("many")), Catch::Contains("'t7' twice"));
}

TEST_CASE("a file of another kind is named for what it is") {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  const auto refuses = [&](const std::string& bytes, const std::string& what) {
    write_bytes(path, bytes);
    CHECK_THROWS_WITH(load_tensors<float>(path), Catch::Contains("expected a safetensors file, got " + what));
  };
  refuses("\x1f\x8b\x08 and so on", "a gzip file");
  refuses("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a Git LFS pointer");
  refuses("<!DOCTYPE html><html></html>", "an HTML page");
  refuses("\x93NUMPY\x01", "a NumPy .npy file");
  refuses(std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15), "a PyTorch file");
}

TEST_CASE("nothing that a file holds reaches a terminal as a command, and messages are short") {
  const Folder folder;
  const std::string path = folder.file("model");
  const auto check = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    std::string message;
    try {
      load_tensors<float>(path);
    } catch (const FileError& error) {
      message = error.what();
    }
    CAPTURE(bytes.substr(0, 100), message);
    CHECK(message.size() > 10);
    CHECK(message.size() < path.size() + 400);
    for (const char c : message) CHECK(static_cast<unsigned char>(c) >= 0x20);
  };
  const std::string evil = R"(\u001b[2J\u0007\u202e)", longer(100000, 'n');
  check(with_header("{\"\x1b[2J\":1}"));
  check(with_header("{\"" + evil + "\":1}"));
  check(with_header("{\"" + longer + "\":1}"));
  check(with_header("{\"" + longer + "\":" + longer + "}"));
  check(with_header("{\"a\":\"" + evil + longer + "\"}"));
  check(with_header(R"({"a":{"dtype":")" + evil + longer + R"("}})"));
  check(with_header(R"({"a":{")" + evil + longer + R"(":1}})"));
  check(with_header(R"({"__metadata__":{")" + evil + longer + R"(":1}})"));
  check(with_header(R"({"__metadata__":{")" + evil + R"(":"","b":"",")" + evil + R"(":""}})"));
  check(with_header("{\"" + evil + longer + R"(":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "x"));
  check("\x1b[2J");
  check(with_header("\x1b[2J" + longer));
}
