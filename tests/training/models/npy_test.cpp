#include "training/models/npy.hpp"

#include <catch2/catch.hpp>

#include <limits>

#include "framework/errors.hpp"
#include "tests/training/models/folder.hpp"

using namespace unroll;
using namespace models_test;

namespace {

// A version 1 file of this header, as it is, and data.
std::string npy(const std::string& header, const std::string& data = "") {
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size() & 0xffU) +
         static_cast<char>(header.size() >> 8) + header + data;
}

const std::string kEight(8, 'x');

}  // namespace

TEST_CASE("npy files of versions 1, 2 and 3 are read") {
  const Tensor<float> want{{-0.75F, -0.5F, -0.25F}, {0.0F, 0.25F, 0.5F}};
  for (const std::string version : {"1", "2", "3"}) {
    CAPTURE(version);
    CHECK((load_npy<float>(data_file("npy_v" + version + ".npy")) == want));
    CHECK((load_npy<double>(data_file("npy_v" + version + ".npy")) == convert_tensor<double>(want)));
  }
}

TEST_CASE("what save_npy writes is byte for byte what NumPy writes") {
  const Folder folder;
  save_npy(folder.file("a.npy"), load_npy<float>(data_file("npy_v1.npy")));
  CHECK(read_bytes(folder.file("a.npy")) == read_bytes(data_file("npy_v1.npy")));
  CHECK(detail::npy_header(Dtype::boolean, {}) ==
        npy("{'descr': '|b1', 'fortran_order': False, 'shape': (), }" + std::string(62, ' ') + "\n"));
  CHECK(detail::npy_header(Dtype::i64, {5}) ==
        npy("{'descr': '<i8', 'fortran_order': False, 'shape': (5,), }" + std::string(60, ' ') + "\n"));
  for (std::size_t n = 1; n < 10'000'000'000'000; n *= 10) {  // around the boundary of the padding
    const std::string header = detail::npy_header(Dtype::f64, {n, n, n, n});
    CHECK(header.size() % 64 == 0);
    CHECK(header.back() == '\n');
  }
}

TEMPLATE_TEST_CASE("npy files keep every type and shape", "", float, double, std::int8_t, std::int16_t,
                   std::int32_t, std::int64_t, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t) {
  const Folder folder;
  const std::string path = folder.file("a.npy");
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 0, 3}, Shape{1, 2, 3, 1, 2, 2}}) {
    Tensor<TestType> tensor(shape);
    for (std::size_t i = 0; i < tensor.size(); ++i) tensor.data()[i] = static_cast<TestType>(7 * i);
    if (tensor.size() > 1) tensor.data()[1] = std::numeric_limits<TestType>::lowest();
    if (tensor.size() > 2) tensor.data()[2] = std::numeric_limits<TestType>::max();
    save_npy(path, tensor);
    const auto read = load_npy<TestType>(path);
    CHECK(read.shape() == shape);
    CHECK(read == tensor);
  }
  CHECK(folder.count() == 1);
}

TEST_CASE("booleans are kept, and any byte but zero is true") {
  const Folder folder;
  const Mask mask{{true, false, false}, {false, true, true}};
  save_npy(folder.file("a.npy"), mask);
  CHECK((load_npy<bool>(folder.file("a.npy")) == mask));
  CHECK((load_npy<std::int64_t>(folder.file("a.npy")) == IndexTensor{{1, 0, 0}, {0, 1, 1}}));
  write_bytes(folder.file("b.npy"), npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }",
                                        std::string("\x00\x02\xff", 3)));
  CHECK((load_npy<bool>(folder.file("b.npy")) == Mask{false, true, true}));
}

TEST_CASE("headers may be spaced and ordered otherwise") {
  const Folder folder;
  for (const std::string header : {"{\"shape\":(2L,),'fortran_order':True,'descr':'<f4'}",
                                   "  { 'shape' : ( 2 , ) , 'descr':\t'<f4',\n"
                                   "'fortran_order' : False , }  \n"}) {
    write_bytes(folder.file("a.npy"), npy(header, std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0", 8)));
    CHECK((load_npy<float>(folder.file("a.npy")) == Tensor<float>{1.0F, -2.0F}));
  }
  write_bytes(folder.file("a.npy"), npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2)}",
                                        std::string("\x00\x01\x00\x02\x00\x03\xff\xfe", 8)));
  CHECK((load_npy<std::int64_t>(folder.file("a.npy")) == IndexTensor{{1, 3}, {2, -2}}));
}

TEST_CASE("an npy file is opened before it is read") {
  const auto file = open_npy(data_file("npy_v1.npy"));
  REQUIRE(file->tensors().size() == 1);
  CHECK(file->tensors()[0].dtype == Dtype::f32);
  CHECK(file->tensors()[0].shape == Shape{2, 3});
  CHECK(file->read<float>("")(1, 2) == 0.5F);
  CHECK(file->read<float>("")(1, 2) == 0.5F);  // again
}

TEST_CASE("rounding is asked for") {
  const Folder folder;
  const std::string path = folder.file("a.npy");
  save_npy(path, Tensor<double>{0.1});
  CHECK_THROWS_WITH(load_npy<float>(path),
                    Catch::Contains("expected F32, got F64 (Rounding::nearest rounds)"));
  CHECK(load_npy<float>(path, Rounding::nearest)(0) == 0.1F);
  CHECK_THROWS_WITH(load_npy<std::int64_t>(path, Rounding::nearest),
                    Catch::Contains("expected I64, got F64"));
}

TEST_CASE("npy files that are none are refused with the file's name and what is wrong") {
  const Folder folder;
  const std::string path = folder.file("a.npy");
  const auto refuses = [&](const std::string& bytes, const std::string& what) {
    write_bytes(path, bytes);
    CAPTURE(bytes);
    CHECK_THROWS_AS(load_npy<double>(path), FileError);
    CHECK_THROWS_WITH(load_npy<double>(path), Catch::StartsWith("[load_npy] " + path + ": ") &&
                                                  Catch::Contains("expected") && Catch::Contains("got") &&
                                                  Catch::Contains(what));
  };
  const auto dict = [&](const std::string& descr, const std::string& shape,
                        const std::string& order = "False") {
    return npy("{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n",
               kEight);
  };
  refuses("", "expected 8 bytes more, got 0 (truncated?)");
  refuses("not an npy file", "expected an npy file");
  refuses(std::string("\x93NUMPY\x04\x00", 8) + kEight, "got 4.0");
  refuses(std::string("\x93NUMPY\x01\x01", 8) + kEight, "got 1.1");
  refuses(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12), "at most 1048576 bytes, got 4294967295");
  refuses(npy(""), "'{'");
  refuses(npy("{"), "a key in quotes");
  refuses(npy("{}"), "the keys descr, fortran_order and shape");
  refuses(npy("{'descr': '<f8', 'fortran_order': False}", kEight), "the keys descr, fortran_order and shape");
  refuses(npy("{'descr': '<f8', 'descr': '<f8'}"), "each once");
  refuses(npy("{'more': 1}"), "each once");
  refuses(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} x", kEight), "nothing after");
  refuses(npy("{'descr': '<f8' 'fortran_order': False}"), "'}'");
  refuses(dict("'<f8", "(1,)"), "got '<f8, '");
  refuses(dict("<f8", "(1,)"), "an element type in quotes");
  refuses(dict("'f16'", "(1,)"), "got long doubles (f16)");
  refuses(dict("'|f8'", "(1,)"), "got '|f8'");
  refuses(dict("'<>f8'", "(1,)"), "got '<>f8'");
  refuses(dict("''", "(1,)"), "got ''");
  refuses(dict("'<M8[ns]'", "(1,)"), "got dates (<M8[ns])");
  refuses(dict("'<M8'", "(1,)"), "got dates (<M8)");
  refuses(dict("'<m8[s]'", "(1,)"), "got time spans (<m8[s])");
  refuses(dict("'|S5'", "(1,)"), "got byte strings (|S5)");
  refuses(dict("'|V2'", "(1,)"), "got raw bytes (|V2)");
  refuses(dict("'<i3'", "(1,)"), "got whole numbers of another size (<i3)");
  refuses(dict("'<U\x1b'", "(1,)"), "got '<U\\x1b'");
  refuses(dict("[('a', '<f4'), ('b](', [('c', '<f8', (2,))])]", "(1,)"), "got records");
  refuses(dict("[('a', '<f4')", "(1,)"), "expected");
  refuses(dict("[" + std::string(100000, '('), "(1,)"), "expected the end of a list of records");
  refuses("<!DOCTYPE html>", "expected an npy file, got an HTML page");
  refuses(dict("'<f8'", "(1)"), "a comma after the only size");
  refuses(dict("'<f8'", "1"), "'('");
  refuses(dict("'<f8'", "(-1,)"), "sizes >= 0");
  refuses(dict("'<f8'", "(1, 1 1)"), "')'");
  refuses(dict("'<f8'", "(18446744073709551616,)"), "sizes >= 0");
  refuses(dict("'<f8'", "(4294967296, 4294967296)"), "memory");
  refuses(dict("'<f8'", "(1,)", "false"), "True or False");
  refuses(dict("'<f8'", "(2,)"), "expected 16 bytes after the header for F64 (2), got 8 (truncated?)");
  refuses(dict("'<f4'", "(1,)"), "expected 4 bytes after the header for F32 (1), got 8");

  CHECK_THROWS_WITH(load_npy<double>(folder.file("none")), Catch::Contains("No such file"));
  CHECK_THROWS_WITH(load_npy<double>(folder.path.string()), Catch::Contains("regular file"));
  CHECK_THROWS_WITH(save_npy(folder.file("none/a"), Tensor<double>(1.0)), Catch::Contains("[save_npy]"));
}

TEST_CASE("arrays of NumPy's that are no tensors are refused by name") {
  const auto refuses = [](const std::string& name, const std::string& what) {
    CHECK_THROWS_AS(load_npy<double>(data_file(name)), FileError);
    CHECK_THROWS_WITH(load_npy<double>(data_file(name)), Catch::Contains(name) && Catch::Contains(what));
  };
  refuses("npy_structured.npy", "got records");
  refuses("npy_object.npy", "got pickled objects, which can run any code (|O)");
  refuses("npy_text.npy", "got text (<U1)");
  refuses("npy_complex.npy", "got complex numbers (<c16)");
  refuses("npy_seven_axes.npy", "got 7 axes (at most 6 are read)");
}
