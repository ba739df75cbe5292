// Archives that claim much, overlap, or hold something beside arrays.
#include <zlib.h>
#include <catch2/catch.hpp>

#include <cstdint>

#include "framework/errors.hpp"
#include "tests/little_memory.hpp"
#include "tests/training/models/folder.hpp"
#include "training/models/npy.hpp"
#include "training/models/npz.hpp"
#include "training/models/state_dict.hpp"

using namespace unroll;
using namespace models_test;

namespace {

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  return text;
}

std::string deflated(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(::deflateBound(&stream, bytes.size()), '\0');
  std::string copy = bytes;
  stream.next_in = reinterpret_cast<unsigned char*>(copy.data());
  stream.avail_in = static_cast<unsigned>(copy.size());
  stream.next_out = reinterpret_cast<unsigned char*>(packed.data());
  stream.avail_out = static_cast<unsigned>(packed.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  return packed;
}

// A zip archive, member by member.
class Zip {
 public:
  // Whatever the bytes, the directory says that they unpack to `size`.
  void add(const std::string& name, const std::string& packed, std::uint64_t size, int method,
           std::uint64_t sum = 0, int flags = 0) {
    const std::string shared = little_endian(20, 2) + little_endian(static_cast<std::uint64_t>(flags), 2) +
                               little_endian(static_cast<std::uint64_t>(method), 2) +
                               little_endian(0x210000, 4) + little_endian(sum, 4) +
                               little_endian(packed.size(), 4) + little_endian(size, 4) +
                               little_endian(name.size(), 2) + little_endian(0, 2);
    directory_ += "PK\1\2" + little_endian(20, 2) + shared + std::string(10, '\0') +
                  little_endian(members_.size(), 4) + name;
    members_ += "PK\3\4" + shared + name + packed;
    ++count_;
  }
  void store(const std::string& name, const std::string& bytes) {
    add(name, bytes, bytes.size(), 0, sum_of(bytes));
  }
  void deflate(const std::string& name, const std::string& bytes) {
    add(name, deflated(bytes), bytes.size(), 8, sum_of(bytes));
  }
  std::string bytes() const {
    return members_ + directory_ + "PK\5\6" + std::string(4, '\0') + little_endian(count_, 2) +
           little_endian(count_, 2) + little_endian(directory_.size(), 4) +
           little_endian(members_.size(), 4) + little_endian(0, 2);
  }

 private:
  static std::uint64_t sum_of(const std::string& bytes) {
    return ::crc32(0, reinterpret_cast<const unsigned char*>(bytes.data()),
                   static_cast<unsigned>(bytes.size()));
  }
  std::string members_, directory_;
  std::uint64_t count_ = 0;
};

// An npy file of this Python dict's entries.
std::string npy(const std::string& descr, const std::string& shape, const std::string& elements) {
  std::string text = "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY\1\0", 8) + little_endian(text.size(), 2) + text + elements;
}

const std::string kFloats = npy("'<f4'", "(2,)", std::string("\0\0\x80\x3f\0\0\0\x40", 8));

struct Model {
  Var<float> data{Tensor<float>{0.0F, 0.0F}};
  using Scalar = float;
  static void each(auto& self, auto&& visit) { visit("data", self.data); }
};

}  // namespace

TEST_CASE("members that are no numbers are listed and do not keep the arrays from being read") {
  const Folder folder;
  const std::string path = folder.file("a.npz");
  Zip zip;
  zip.store("format.npy", npy("'|S3'", "()", "csr"));
  zip.deflate("names.npy", npy("'<U2'", "(1,)", std::string(8, 'x')));
  zip.store("days.npy", npy("'<M8[D]'", "(1,)", std::string(8, 'x')));
  zip.store("rows.npy", npy("[('a', '<f4'), ('b', '<i8', (2,))]", "(1,)", std::string(20, 'x')));
  zip.store("things.npy", npy("'|O'", "(1,)", "\x80\x03N."));
  zip.store("long.npy", npy("'<f16'", "(1,)", std::string(16, 'x')));
  zip.store("deep.npy", npy("'<f4'", "(1, 1, 1, 1, 1, 1, 1)", std::string(4, 'x')));
  zip.store("readme.txt", "no array");
  zip.store("folder/", "");
  zip.add("other.npy", "BZh9", 100, 12);
  zip.add("secret.npy", std::string(20, 'x'), 8, 0, 0, 1);
  zip.store("data.npy", kFloats);
  write_bytes(path, zip.bytes());

  const auto file = open_npz(path);
  CHECK((file->read<float>("data") == Tensor<float>{1.0F, 2.0F}));
  std::string unreadable;
  for (const TensorInfo& info : file->tensors()) {
    if (!info.unreadable.empty()) unreadable += info.name + ": " + info.unreadable + "\n";
  }
  CHECK(unreadable ==
        "format: byte strings (|S3)\nnames: text (<U2)\ndays: dates (<M8[D])\nrows: records\n"
        "things: pickled objects, which can run any code (|O)\nlong: long doubles (<f16)\n"
        "deep: 7 axes (at most 6 are read)\nreadme.txt: a member that is no npy array\n"
        "other: compression method 12 (0 and 8 are read)\nsecret: an encrypted member\n");
  CHECK_THROWS_AS(file->read<double>("names"), FileError);
  CHECK_THROWS_WITH(file->read<double>("names"),
                    "[open_npz] " + path + ": tensor 'names': expected F64, got text (<U2)");
  CHECK_THROWS_WITH(load_npz<float>(path),
                    Catch::Contains("tensor 'format': expected F32, F16 or BF16, got byte strings"));

  Model model;
  CHECK_THROWS_WITH(load_model(path, model), Catch::Contains("unexpected: 'days' (dates (<M8[D]))"));
  load_model(path, model, {.strict = false});
  CHECK(model.data.value()(1) == 2.0F);
}

TEST_CASE("arrays that unpack to very much are refused before memory is asked for") {
  const Folder folder;
  const std::string path = folder.file("a.npz");
  const LittleMemory limit;
  // What the header and the directory say, and what a bomb would hold: 250 million bytes of zeros.
  const std::string start = npy("'|u1'", "(250000000,)", "");
  Zip zip;
  zip.add("bomb.npy", deflated(start) + std::string(300000, '\0'), start.size() + 250000000, 8);
  write_bytes(path, zip.bytes());
  const auto file = open_npz(path);
  CHECK_THROWS_AS(file->read<std::int64_t>("bomb"), FileError);
  CHECK_THROWS_WITH(file->read<std::int64_t>("bomb"),
                    Catch::Contains("tensor 'bomb': expected at most 268435456 bytes in memory, got "
                                    "(250000000) of I64 (.max_bytes allows more)"));
  CHECK_THROWS_WITH(
      open_npz(path, {.max_bytes = 1000000}),
      Catch::Contains("expected at most 1000000 bytes in all when unpacked, got more up to 'bomb.npy'"));

  zip.add("second.npy", deflated(start) + std::string(300000, '\0'), start.size() + 250000000, 8);
  write_bytes(path, zip.bytes());
  CHECK_THROWS_WITH(open_npz(path), Catch::Contains("got more up to 'second.npy' (.max_bytes allows more)"));
  CHECK_NOTHROW(open_npz(path, {.max_bytes = 600000000}));
}

TEST_CASE("metadata that unpacks to very much, or is nested, is refused with little memory") {
  const Folder folder;
  const std::string path = folder.file("a.npz");
  const LittleMemory limit;
  const std::string name = "__metadata__.json";
  {
    Zip zip;  // 20 MB in 20 kB
    zip.deflate(name, "{\"a\":" + std::string(10000000, '[') + std::string(10000000, ']') + "}");
    write_bytes(path, zip.bytes());
    CHECK_THROWS_AS(load_metadata(path), FileError);
    CHECK_THROWS_WITH(load_metadata(path),
                      Catch::Contains(name + ": expected at most 8388608 bytes, got 20000006"));
    CHECK_THROWS_WITH(open_npz(path, {.max_bytes = 20000000}),
                      Catch::Contains("expected at most 20000000 bytes"));
    CHECK_THROWS_WITH(open_npz(path, {.max_bytes = 20000006}),
                      Catch::Contains("'a': expected a string, got a list"));
  }
  std::string wide = "{\"a\":[[]";
  while (wide.size() < 8000000) wide += ",[]";
  for (const std::string& text : {"{\"a\":" + std::string(8000000, '[') + "}", wide + "]}"}) {
    Zip zip;
    zip.deflate(name, text);
    write_bytes(path, zip.bytes());
    CHECK_THROWS_WITH(load_metadata(path), Catch::EndsWith(name + ": 'a': expected a string, got a list"));
  }
  for (const auto& [text, what] :
       {std::pair<std::string, std::string>{"[]", "expected a JSON object, got: a list"},
        {"3", "expected a JSON object, got: a number"},
        {"{\"a\":\"1\",\"a\":\"2\"}", "expected distinct names, got 'a' twice"},
        {"{\"a\":3}", "'a': expected a string, got a number"},
        {"{\"a\":\"\x1b\"}", "expected a JSON object, got: "},
        {"", "expected a JSON object, got: "}}) {
    Zip zip;
    zip.store(name, text);
    write_bytes(path, zip.bytes());
    CAPTURE(text);
    CHECK_THROWS_WITH(load_metadata(path), Catch::Contains(name + ": " + what) && !Catch::Contains("\x1b"));
  }

  Metadata large;  // what is written is read, compressed or not
  large.set("a", std::string(9000000, 'a'));
  save_npz<float>(path, {{}, large.all()}, {.compress = true});
  CHECK(load_metadata(path).text("a").size() == 9000000);
}

TEST_CASE("members that lie on one another, or claim more than a file can hold, are refused") {
  const Folder folder;
  const std::string path = folder.file("a.npz");
  // The first member's bytes are the second with its header: both are sound by themselves.
  Zip inner, outer;
  inner.store("inner.npy", npy("'|u1'", "(10000,)", std::string(10000, 'x')));
  const std::string members = inner.bytes().substr(0, inner.bytes().find("PK\1\2"));
  outer.store("outer.npy", members);
  const std::string bytes = outer.bytes();
  const auto directory = bytes.find("PK\1\2"), end = bytes.find("PK\5\6");
  const std::string first = bytes.substr(directory, end - directory);
  std::string second = inner.bytes().substr(members.size(), first.size());
  second.replace(42, 4, little_endian(directory - members.size(), 4));  // where its header is
  write_bytes(path, bytes.substr(0, directory) + second + first + "PK\5\6" + std::string(4, '\0') +
                        little_endian(2, 2) + little_endian(2, 2) + little_endian(2 * first.size(), 4) +
                        little_endian(directory, 4) + little_endian(0, 2));
  CHECK_THROWS_WITH(open_npz(path), Catch::Contains("member 'outer.npy': expected a size that a file of"));

  Zip claims;
  claims.add("x.npy", deflated(kFloats), 4000000000, 8);
  write_bytes(path, claims.bytes());
  CHECK_THROWS_WITH(open_npz(path), Catch::Contains("member 'x.npy': expected a size that a file of"));
}
