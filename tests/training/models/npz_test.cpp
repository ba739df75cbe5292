#include "training/models/npz.hpp"

#include <sys/resource.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "tests/training/models/folder.hpp"

using namespace unroll;
using namespace models_test;

namespace {

// Element k of an array in arrays.npz, which numpy_arrays.py defines.
double element(const TensorInfo& info, std::size_t k) {
  const auto number = static_cast<double>(k);
  if (info.dtype == Dtype::boolean) return k % 3 == 0 ? 1.0 : 0.0;
  if (is_float(info.dtype)) return (number - 3.0) / 4.0;
  return to_string(info.dtype)[0] == 'U' ? number : number - 3.0;
}

StateDict<float> example() {
  Rng rng(3);
  StateDict<float> state;
  state.tensors["lstm.weight_ih_l0"] = random_normal<float>({8, 3}, 0.0, 1.0, rng);
  state.tensors["scalar"] = Tensor<float>(2.5F);
  state.tensors["empty"] = Tensor<float>(Shape{0, 4});
  state.tensors["größe \"/名前 🙂"] = ones<float>({2});
  state.tensors[""] = zeros<float>({3});
  state.metadata = {{"format", "pt"}, {"vocabulary \"ñ\"", "a\nb\tç\\ 🙂 {\"json\": [1]}"}, {"", ""}};
  return state;
}

void check_same(const StateDict<float>& a, const StateDict<float>& b) {
  CHECK(a.metadata == b.metadata);
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    CAPTURE(name);
    REQUIRE(b.tensors.contains(name));
    CHECK(tensor.shape() == b.tensors.at(name).shape());
    CHECK(tensor == b.tensors.at(name));
  }
}

}  // namespace

TEST_CASE("arrays that numpy.savez_compressed wrote are read: every type, order of axes and of bytes") {
  const auto file = open_npz(data_file("arrays.npz"));
  // 12 types and 9 of them in a second order of bytes, 5 shapes, 3 of them in a second order of axes.
  REQUIRE(file->tensors().size() == 21 * 8);
  for (const TensorInfo& info : file->tensors()) {
    CAPTURE(info.name);
    const auto got = file->read<double>(info.name, Rounding::nearest);
    REQUIRE(got.shape() == info.shape);
    for (std::size_t k = 0; k < got.size(); ++k) CHECK(got.data()[k] == element(info, k));
  }
  CHECK(file->info("cube >f2").shape == Shape{2, 3, 4});
  CHECK(file->info("cube >f2").big_endian);
  CHECK(file->info("cube <i4 columns").column_major);
  CHECK((file->read<std::int64_t>("row >i8") == IndexTensor{-3, -2, -1, 0, 1}));
  CHECK((file->read<std::uint8_t>("row |u1") == Tensor<std::uint8_t>{0, 1, 2, 3, 4}));
  CHECK((file->read<bool>("row |?") == Mask{true, false, false, true, false}));
  CHECK_THROWS_WITH(file->read<float>("row <f8"), Catch::Contains("'row <f8': expected F32, got F64"));
  CHECK_THROWS_WITH(file->read<float>("line"), Catch::Contains("expected a tensor 'line'"));
}

TEST_CASE("arrays that numpy.savez stored are read") {
  const auto file = open_npz(data_file("stored.npz"));
  CHECK((file->read<float>("x") == Tensor<float>{{-0.75F, -0.5F, -0.25F}, {0.0F, 0.25F, 0.5F}}));
  CHECK((file->read<std::int64_t>("y") == IndexTensor{-3, -2}));
  CHECK(file->read<double>("größe")() == -0.75);
  CHECK(open_npz(data_file("none.npz"))->tensors().empty());
}

TEST_CASE("what is written into an npz file is read again") {
  const Folder folder;
  const std::string path = folder.file("a.npz");
  const auto state = example();
  for (const bool compress : {false, true}) {
    save_npz(path, state, {.compress = compress});
    check_same(state, load_npz<float>(path));
    const std::string bytes = read_bytes(path);
    save_npz(path, state, {.compress = compress});
    CHECK(read_bytes(path) == bytes);  // no time of day is in it
  }
  CHECK(load_npz<double>(path).tensors.at("scalar")() == 2.5);
  save_npz(path, StateDict<float>());
  CHECK(load_npz<float>(path).tensors.empty());
  CHECK(read_bytes(path) == read_bytes(data_file("none.npz")));
  CHECK(folder.count() == 1);  // nothing is left beside it
}

TEST_CASE("compression makes a file smaller, and it is read the same") {
  const Folder folder;
  StateDict<float> state;
  state.tensors["zeros"] = zeros<float>({100000});
  save_npz(folder.file("stored.npz"), state);
  save_npz(folder.file("deflated.npz"), state, {.compress = true});
  CHECK(read_bytes(folder.file("stored.npz")).size() > 400000);
  CHECK(read_bytes(folder.file("deflated.npz")).size() < 4000);
  check_same(state, load_npz<float>(folder.file("deflated.npz")));
}

TEST_CASE("an archive takes arrays of several types") {
  const Folder folder;
  NpzWriter writer(folder.file("data.npz"), {.compress = true});
  writer.add("x", Tensor<float>{{1.0F, 2.0F}});
  writer.add("y", IndexTensor{1, -1});
  writer.add("mask", Mask{true, false});
  writer.add_metadata({{"source", "test"}});
  CHECK_THROWS_WITH(writer.add("x", Mask{true}), "[NpzWriter] name: expected a new one, got 'x.npy' twice");
  CHECK_THROWS_AS(writer.add("x\xff", Mask{true}), ArgumentError);
  CHECK_THROWS_WITH(writer.add(std::string("x\0", 2), Mask{true}), Catch::Contains("zero byte"));
  CHECK_THROWS_WITH(writer.add(std::string(70000, 'x'), Mask{true}), Catch::Contains("at most 65535 bytes"));
  CHECK_THROWS_AS(writer.add_metadata({{"a", "\xff"}}), ArgumentError);
  CHECK(folder.count() == 0);
  writer.commit();
  const auto file = open_npz(folder.file("data.npz"));
  CHECK(file->tensors().size() == 3);
  CHECK((file->read<float>("x") == Tensor<float>{{1.0F, 2.0F}}));
  CHECK((file->read<std::int64_t>("y") == IndexTensor{1, -1}));
  CHECK((file->read<bool>("mask") == Mask{true, false}));
  CHECK(file->metadata().at("source") == "test");
  CHECK_THROWS_WITH(load_npz<float>(folder.file("data.npz")),
                    Catch::Contains("[load_npz]") && Catch::Contains("expected F32, F16 or BF16, got"));
}

TEST_CASE("damaged archives are refused by the member's name") {
  const Folder folder;
  const std::string path = folder.file("a.npz");
  NpzWriter writer(path);
  writer.add("x", ones<float>({2}));
  writer.add_metadata({{"a", "b"}});
  writer.commit();
  const std::string good = read_bytes(path);
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    for (auto at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1)) {
      bytes.replace(at, from.size(), to);
    }
    write_bytes(path, bytes);
  };
  replaced(R"({"a":"b"})", R"({"a": 1 })");  // the checksum does not fit any more
  CHECK_THROWS_WITH(open_npz(path), Catch::Contains("'__metadata__.json': corrupt data"));
  replaced("(2,)", "(3,)");
  CHECK_THROWS_WITH(open_npz(path), Catch::Contains("array 'x': expected 12 bytes for F32 (3), got 8"));
  replaced("<f4", "<q4");
  CHECK_THROWS_WITH(open_npz(path), Catch::Contains("array 'x': element type: expected"));
  replaced(std::string("\x00\x00\x80\x3f", 4), std::string("\x00\x00\x80\x3e", 4));
  CHECK_THROWS_AS(open_npz(path)->read<float>("x"), FileError);
  CHECK_THROWS_WITH(open_npz(path)->read<float>("x"), Catch::Contains("array 'x': corrupt data: CRC error"));
  write_bytes(path, "no archive");
  CHECK_THROWS_WITH(open_npz(path), Catch::Contains("expected a zip archive of npy files"));
  write_bytes(path, "version https://git-lfs.github.com/spec/v1\noid sha256:1\n");
  CHECK_THROWS_WITH(open_npz(path), Catch::Contains("expected an npz archive, got a Git LFS pointer"));
  CHECK_THROWS_WITH(open_npz(folder.file("none.npz")), Catch::Contains("No such file"));
  CHECK_THROWS_WITH(open_npz(folder.path.string()), Catch::Contains("regular file"));
}

TEST_CASE("an archive that cannot be written leaves the old file and nothing else") {
  const Folder folder;
  const std::string path = folder.file("a.npz");
  const auto old = example();
  save_npz(path, old);
  CHECK_THROWS_WITH(save_npz(folder.file("none/a.npz"), old),
                    Catch::Contains("[save_npz]") && Catch::Contains("none/a.npz"));
  // The system lets no file grow beyond 64 KiB for a moment, as a full disk would.
  StateDict<float> large;
  large.tensors["w"] = zeros<float>({1 << 16});
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 1 << 16;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  try {
    save_npz(path, large);
  } catch (const FileError& error) {
    message = error.what();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, Catch::Contains(path) && Catch::Contains("cannot write the file: "));
  check_same(old, load_npz<float>(path));
  CHECK(folder.count() == 1);
}

TEST_CASE("what a file's tensor is read into is what read gives") {
  struct Ones final : TensorFile {
    const void* filled = nullptr;
    explicit Ones(Dtype dtype) : TensorFile("ones", "open_ones") {
      add({.name = "x", .dtype = dtype, .shape = {50, 40}});
    }
    void begin(std::size_t) override {}
    void next(void* to, std::size_t bytes) override {
      filled = to;
      std::fill_n(static_cast<char*>(to), bytes, '\1');
    }
  };
  Ones numbers(Dtype::i16);
  const auto read = numbers.read<std::int16_t>("x");
  CHECK(read.data() == numbers.filled);
  CHECK(read(49, 39) == 0x0101);
}
