#include "training/models/state_dict.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <limits>
#include <new>

#include "framework/errors.hpp"
#include "tests/training/models/folder.hpp"
#include "tests/training/models/tagger.hpp"
#include "training/models/npz.hpp"

using namespace unroll;
using namespace models_test;

namespace {

template <class S>
Tagger<S> tagger(std::uint64_t seed) {
  Rng rng(seed);
  return Tagger<S>(7, 3, 4, 5, rng);
}

template <class S>
void check_same(const TensorMap<S>& a, const TensorMap<S>& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, tensor] : a) {
    CAPTURE(name);
    REQUIRE(b.contains(name));
    REQUIRE(tensor.shape() == b.at(name).shape());
    CHECK(std::memcmp(tensor.data(), b.at(name).data(), tensor.size() * sizeof(S)) == 0);
  }
}

// Two layers with one weight.
struct Tied {
  Linear<float> first, second;
  using Scalar = float;
  explicit Tied(Rng& rng) : first(3, 3, rng), second(3, 3, rng) { second.weight = first.weight; }
  static void each(auto& self, auto&& visit) {
    visit("first", self.first);
    visit("second", self.second);
  }
};

// The model's tensors as a file whose reading fails at one of them.
class Failing final : public TensorFile {
 public:
  Failing(const TensorMap<float>& tensors, std::size_t at) : TensorFile("file", "test"), at_(at) {
    for (const auto& [name, tensor] : tensors) add({name, Dtype::f32, tensor.shape()});
  }

 private:
  void begin(std::size_t) override {
    if (++read_ == at_) throw std::bad_alloc();
  }
  void next(void* to, std::size_t bytes) override { std::memset(to, 0x3f, bytes); }

  std::size_t at_, read_ = 0;
};

std::string message_of(auto&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("a model's parameters have PyTorch's names") {
  const auto model = tagger<float>(1);
  const auto tensors = state_dict(model);
  CHECK(tensors.size() == 1 + 2 + 16 + 4 + 2);
  CHECK(tensors.contains("encoder.weight_hh_l1_reverse"));
  CHECK(tensors.at("head.weight").shape() == Shape{5, 4});
  CHECK(tensors.at("norm.bias") == model.norm.bias.value());
  CHECK(state_dict(model.norm, "a.norm").contains("a.norm.weight"));
}

TEMPLATE_TEST_CASE("a saved model is loaded bit for bit, with its metadata", "", float, double) {
  const Folder folder;
  const auto model = tagger<TestType>(1);
  Metadata metadata{{"program", "test"}};
  metadata.set("hidden", 4);
  metadata.set("vocabulary", std::vector<std::string>{"ñ", "b"});
  for (const std::string name : {"model.safetensors", "model.npz"}) {
    CAPTURE(name);
    save_model(folder.file(name), model, metadata);
    CHECK(load_metadata(folder.file(name)).number("hidden", 1, 10) == 4);
    auto other = tagger<TestType>(2);
    const LoadReport report = load_model(folder.file(name), other);
    CHECK(report.missing.empty());
    CHECK(report.unexpected.empty());
    CHECK(report.metadata.texts("vocabulary") == std::vector<std::string>{"ñ", "b"});
    CHECK_THROWS_WITH(report.metadata.number("layers"), Catch::Contains(folder.file(name)));
    check_same(state_dict(model), state_dict(other));
  }
  CHECK(folder.count() == 2);
  const std::string wrong = folder.file("model.pt");
  CHECK_THROWS_AS(save_model(wrong, model), ArgumentError);
  CHECK_THROWS_WITH(save_model(wrong, model), Catch::Contains(".safetensors or .npz"));
  auto other = tagger<TestType>(2);
  CHECK_THROWS_AS(load_model(wrong, other), ArgumentError);
  CHECK_THROWS_AS(load_model(folder.file("none.npz"), other), FileError);
  CHECK_THROWS_WITH(load_model(folder.file("none.npz"), other), Catch::StartsWith("[load_model]"));
}

TEST_CASE("everything that does not fit is listed in one error, and the model stays as it was") {
  auto model = tagger<float>(1);
  const auto before = state_dict(model);
  auto tensors = state_dict(tagger<double>(2));
  tensors.erase("norm.bias");
  tensors.erase("decoder.bias_hh_l0");
  tensors["extra"] = ones<double>({2, 3});
  tensors["head.bias"] = ones<double>({6});
  tensors["head.weight"] = ones<double>({4, 5});
  CHECK_THROWS_AS(load_state_dict(model, tensors), ArgumentError);
  const std::string message = message_of([&] { load_state_dict(model, tensors); });
  CHECK_THAT(message, Catch::StartsWith("[load_state_dict] expected exactly the model's 25 tensors, got\n"));
  CHECK_THAT(message, Catch::Contains("\n  missing: 'norm.bias' (3), 'decoder.bias_hh_l0' (12)\n"));
  CHECK_THAT(message, Catch::Contains("\n  unexpected: 'extra' F64 (2,3)\n"));
  CHECK_THAT(
      message,
      Catch::Contains("\n  misshapen: 'head.weight': expected (5,4), got (4,5), 'head.bias': expected (5), "
                      "got (6)\n"));
  CHECK_THAT(message,
             Catch::Contains("\n  wrongly typed: 'embedding.weight': expected F32, got F64 "
                             "(LoadOptions.rounding = Rounding::nearest reads it), 'norm.weight': expected"));
  check_same(before, state_dict(model));
}

TEST_CASE("whole numbers are no weights, even those that a float could hold") {
  const Folder folder;
  Rng rng(1);
  Linear<float> model(2, 1, rng);
  const auto before = state_dict(model);
  NpzWriter writer(folder.file("a.npz"));
  writer.add("weight", Tensor<std::uint8_t>{{1, 2}});
  writer.add("bias", IndexTensor{1});
  writer.commit();
  for (const Rounding rounding : {Rounding::refuse, Rounding::nearest}) {
    const std::string message =
        message_of([&] { load_model(folder.file("a.npz"), model, {.rounding = rounding}); });
    CHECK_THAT(
        message,
        Catch::StartsWith("[load_model] " + folder.file("a.npz") + ": ") &&
            Catch::EndsWith("wrongly typed: 'weight': expected F32, got U8, 'bias': expected F32, got I64"));
  }
  CHECK_THROWS_AS(load_model(folder.file("a.npz"), model), FileError);
  check_same(before, state_dict(model));
}

TEST_CASE("without strict, what is missing and unexpected is reported and the rest loaded") {
  auto model = tagger<float>(1);
  auto want = state_dict(model);
  auto tensors = state_dict(tagger<float>(2));
  for (const auto& [name, tensor] : tensors) want[name] = tensor;
  want["norm.bias"] = model.norm.bias.value();
  tensors.erase("norm.bias");
  tensors["extra"] = ones<float>({2});
  const LoadReport report = load_state_dict(model, tensors, {.strict = false});
  CHECK(report.missing == std::vector<std::string>{"norm.bias"});
  CHECK(report.unexpected == std::vector<std::string>{"extra"});
  check_same(want, state_dict(model));

  tensors["head.bias"] = ones<float>({6});  // does not fit in any case
  CHECK_THROWS_WITH(load_state_dict(model, tensors, {.strict = false}),
                    Catch::Contains("misshapen: 'head.bias'") && !Catch::Contains("missing"));
  check_same(want, state_dict(model));
}

TEST_CASE("a model changes wholly or not at all, wherever reading stops") {
  auto model = tagger<float>(1);
  const auto before = state_dict(model);
  for (std::size_t at = 1; at <= before.size(); ++at) {
    Failing file(before, at);
    CHECK_THROWS_AS(load_state_dict(model, file), std::bad_alloc);
    check_same(before, state_dict(model));
  }
  Failing file(before, before.size() + 1);
  load_state_dict(model, file);
  CHECK(model.head.bias.value()(0) == model.embedding.weight.value()(0, 0));
}

TEST_CASE("float weights are loaded into a double model and double ones, rounded, into a float model") {
  const Folder folder;
  const auto single = tagger<float>(1);
  const auto exact = tagger<double>(2);
  save_model(folder.file("float.npz"), single);
  save_model(folder.file("double.safetensors"), exact);

  auto into_double = tagger<double>(3);
  load_model(folder.file("float.npz"), into_double);
  check_same(state_dict(convert<double>(single)), state_dict(into_double));

  auto into_float = tagger<float>(3);
  const auto before = state_dict(into_float);
  CHECK_THROWS_WITH(load_model(folder.file("double.safetensors"), into_float),
                    Catch::Contains("wrongly typed"));
  check_same(before, state_dict(into_float));
  load_model(folder.file("double.safetensors"), into_float, {.rounding = Rounding::nearest});
  check_same(state_dict(convert<float>(exact)), state_dict(into_float));
}

TEST_CASE("a prefix chooses a part of a file, and names may be changed on the way") {
  auto model = tagger<float>(1);
  const auto other = tagger<float>(2);
  TensorMap<float> tensors = state_dict(other, "net.tagger");
  tensors["optimizer.step"] = ones<float>({1});
  CHECK_THROWS_WITH(load_state_dict(model, tensors),
                    Catch::Contains("unexpected: 'net.tagger.decoder") &&
                        Catch::EndsWith("(LoadOptions.prefix = \"net.tagger\" finds the missing ones)"));
  load_state_dict(model, tensors, {.prefix = "net.tagger"});
  check_same(state_dict(other), state_dict(model));

  // A cell of PyTorch's: no numbers of layers in its names.
  Rng rng(3);
  Gru<float> gru({.input = 2, .hidden = 3}, rng);
  auto cell = state_dict(gru);
  TensorMap<float> renamed;
  for (const auto& [name, tensor] : cell) renamed[name.substr(0, name.size() - 3)] = tensor * 2.0F;
  renamed["num_batches_tracked"] = ones<float>({1});
  const auto rename = [](const std::string& name) {
    return name == "num_batches_tracked" ? "" : name + "_l0";
  };
  load_state_dict(gru, renamed, {.rename = rename});
  const Tensor<float> twice = cell.at("weight_hh_l0") * 2.0F;
  CHECK((state_dict(gru).at("weight_hh_l0") == twice));
  CHECK_THROWS_WITH(
      load_state_dict(gru, renamed, {.rename = [](const std::string&) { return "weight_hh_l0"; }}),
      Catch::Contains("'bias_hh' and 'bias_ih' are both renamed 'weight_hh_l0'"));
  CHECK_THROWS_WITH(
      load_state_dict(gru, renamed, {.rename = [](const std::string& name) { return name + "_l1"; }}),
      Catch::Contains("unexpected: 'bias_hh' F32 (9)"));
}

TEST_CASE("a prefix is proposed also where other names differ, but not for a chance likeness") {
  auto model = tagger<float>(1);
  TensorMap<float> tensors = state_dict(tagger<float>(2), "module");
  tensors.erase("module.norm.bias");
  tensors["module.extra"] = ones<float>({1});
  CHECK_THROWS_WITH(load_state_dict(model, tensors),
                    Catch::EndsWith("(LoadOptions.prefix = \"module\" finds most of the missing ones)"));
  TensorMap<float> near = state_dict(tagger<float>(2));
  near.erase("norm.bias");
  near["other.norm.bias"] = ones<float>({1});
  CHECK_THROWS_WITH(load_state_dict(model, near), !Catch::Contains("prefix"));
}

TEST_CASE("of very many problems the first are listed") {
  Rng rng(1);
  Linear<float> model(2, 1, rng);
  TensorMap<float> tensors;
  for (int i = 0; i < 100000; ++i) tensors["tensor " + std::to_string(i) + "\x1b[2J"] = ones<float>({1});
  const std::string message = message_of([&] { load_state_dict(model, tensors); });
  CHECK_THAT(message, Catch::Contains("and 99994 more") && !Catch::Contains("\x1b"));
  CHECK(message.size() < 600);
}

TEST_CASE("a model's file of another kind is named for what it is") {
  const Folder folder;
  Rng rng(1);
  Linear<float> model(2, 1, rng);
  const auto refuses = [&](const std::string& name, const std::string& bytes, const std::string& what) {
    write_bytes(folder.file(name), bytes);
    CHECK_THROWS_AS(load_model(folder.file(name), model), FileError);
    CHECK_THROWS_WITH(load_model(folder.file(name), model),
                      Catch::Contains(folder.file(name)) && Catch::Contains(what));
    CHECK_THROWS_WITH(load_metadata(folder.file(name)), Catch::Contains(what));
  };
  // The begin of a zip archive whose first member is the pickle of torch.save.
  const std::string torch =
      std::string("PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0", 30) + "archive/data.pkl";
  const std::string legacy("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  for (const char* name : {"model.pt", "model.pth", "pytorch_model.bin", "model.npz", "model.safetensors"}) {
    refuses(name, torch, "got a PyTorch file (convert it: python3 -c");
    refuses(name, legacy, "got a PyTorch file (convert it: python3 -c");
  }
  refuses("model.safetensors.index.json", R"({"metadata":{},"weight_map":{"a":"b.safetensors"}})",
          "got an index of shards");
  refuses("model.h5", "\x89HDF\r\n\x1a\n", "got an HDF5 file");
  refuses("model.onnx", "\x08\x07\x12\x06Unroll", "got an ONNX model");
  refuses("model.npz", "\x1f\x8b\x08", "got a gzip file");
  refuses("model.npz", "<html>", "got an HTML page");
}

TEST_CASE("NaN and infinity are loaded as they are, or refused when asked to") {
  Rng rng(1);
  Linear<float> model(2, 1, rng);
  const auto before = state_dict(model);
  auto tensors = before;
  tensors["weight"](0, 1) = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(load_state_dict(model, tensors, {.finite = true}),
                    Catch::Contains("'weight' holds NaN or infinity"));
  check_same(before, state_dict(model));
  load_state_dict(model, tensors);
  check_same(tensors, state_dict(model));
}

TEST_CASE("parameters that share a value are saved under each name and loaded from any") {
  Rng rng(1);
  Tied model(rng);
  auto tensors = state_dict(model);
  REQUIRE(tensors.size() == 4);
  for (auto& [name, tensor] : tensors) tensor = tensor * 3.0F;
  load_state_dict(model, tensors);
  check_same(tensors, state_dict(model));
  CHECK(model.second.weight.same_as(model.first.weight));

  auto one = tensors;  // as files are that keep each value once
  one.erase("first.weight");
  one["second.weight"] = ones<float>({3, 3});
  CHECK(load_state_dict(model, one).missing.empty());
  CHECK(model.first.weight.value() == ones<float>({3, 3}));

  const auto before = state_dict(model);
  CHECK_THROWS_WITH(load_state_dict(model,
                                    [&] {
                                      auto two = tensors;
                                      two["second.weight"](0, 0) += 1.0F;
                                      return two;
                                    }()),
                    Catch::Contains("'second.weight' shares its value with another name"));
  check_same(before, state_dict(model));
  one.erase("second.weight");
  CHECK_THROWS_WITH(load_state_dict(model, one),
                    Catch::Contains("missing: 'first.weight' (3,3), 'second.weight'"));
}

TEST_CASE("what a layer has packed for its products is packed again after loading") {
  Rng rng(1);
  Lstm<float> model({.input = 3, .hidden = 8}, rng);
  const Lstm<float> other({.input = 3, .hidden = 8}, rng);
  const Var<float> x(random_normal<float>({5, 2, 3}, 0.0, 1.0, rng));
  {
    Tape tape;
    tape.backward(sum(model(x).output));  // packs, and keeps what is packed while it lasts
    load_state_dict(model, state_dict(other));
    CHECK((model(x).output.value() == other(x).output.value()));
    CHECK_THROWS_AS(tape.backward(sum(model(x).output)), TapeError);  // it has seen other weights
  }
  CHECK((model(x).output.value() == other(x).output.value()));
}

TEST_CASE("a place is checked for a model before there is one") {
  const Folder folder;
  CHECK_NOTHROW(require_writable(folder.file("model.npz")));
  CHECK(folder.count() == 0);
  write_bytes(folder.file("model.npz"), "old");
  CHECK_NOTHROW(require_writable(folder.file("model.npz")));
  CHECK(read_bytes(folder.file("model.npz")) == "old");
  CHECK(folder.count() == 1);
  CHECK_THROWS_AS(require_writable(folder.file("none/model.npz")), FileError);
  CHECK_THROWS_AS(require_writable(folder.path.string()), FileError);
}
