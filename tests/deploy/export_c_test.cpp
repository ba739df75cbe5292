// Models as C files: they compile without a warning and without a library, and compute what their streams do.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include "c_library.hpp"
#include "models.hpp"
#include "tests/scratch.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {

double difference(const float* a, const float* b, std::size_t n) {
  double largest = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double error = std::abs(double{a[i]} - double{b[i]}) / (1.0 + std::abs(double{b[i]}));
    largest = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(largest, error);
  }
  return largest;
}

// The largest difference of the file's steps and the stream's, over n steps of random input.
template <class S>
double compare(CModel& c, Stream<S>& stream, std::size_t steps, bool takes_ids) {
  Rng rng(17);
  double largest = 0.0;
  std::vector<float> y(stream.output_size(), -9.0F);
  for (std::size_t t = 0; t < steps; ++t) {
    std::span<const S> want;
    if (takes_ids) {
      const std::int64_t id = static_cast<std::int64_t>(rng.next() % 11);
      want = stream.step({&id, 1});
      REQUIRE(c.step(static_cast<std::int32_t>(id), y.data()) == 1);
    } else {
      const Tensor<S> x = random_normal<S>({stream.input_size()}, 0.0, 1.0, rng);
      const std::vector<float> as_float(x.begin(), x.end());
      want = stream.step({x.data(), x.size()});
      c.step(as_float.data(), y.data());
    }
    const std::vector<float> expected(want.begin(), want.end());
    largest = std::max(largest, difference(y.data(), expected.data(), y.size()));
  }
  return largest;
}

std::size_t lines_with(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

}  // namespace

TEST_CASE("a C file computes what the stream of the same model does, for 10,000 steps") {
  const ScratchFolder folder;
  for_each_model<float>([&](const std::string& name, const auto&... model) {
    INFO(name);
    auto stream = freeze(model...);
    export_c(model..., folder.file(name + ".c"));
    CModel c(folder.path().string(), name);
    CHECK(c.selftest() == 0);
    // Of these two the stream, too, is that far from the same model in double.
    const bool inexact = name == "lstm_norm" || name == "sru";
    CHECK(compare(c, stream, 10'000, name == "words") < (inexact ? 1e-5 : 1e-6));
    CHECK(c.is_within());
    // From the beginning again, in another order of calls.
    stream.reset();
    c.reset();
    CHECK(compare(c, stream, 10, name == "words") < 1e-6);
  });
}

TEST_CASE("a C file compiles without warnings as C99 and as C++17, by gcc and clang") {
  const ScratchFolder folder;
  const std::string at = folder.path().string();
  const auto compile = [&](const std::string& compiler, const std::string& name, const std::string& flags) {
    run_command("cd '" + at + "' && '" + compiler + "' " + flags + kWarnings + "-c " + name + ".c -o " +
                    name + ".o && nm " + name + ".o",
                at);
    return run_command("nm '" + at + "/" + name + ".o'", at);
  };
  for (const bool int8 : {false, true}) {
    for_each_model<float>([&](const std::string& name, const auto&... model) {
      INFO(name << (int8 ? ", int8" : ""));
      export_c(model..., folder.file(name + ".c"), {.int8 = int8});
      for (const char* level : {"-O0", "-O3"}) {
        const std::string symbols = compile(UNROLL_C_COMPILER, name, std::string("-std=c99 ") + level);
        for (const char* kind : {" U ", " B ", " b ", " D ", " d ", " C "})
          CHECK_THAT(symbols, !Contains(kind));  // what is not there, and what can be written to
        CHECK(lines_with(symbols, " T ") == 4);
      }
      compile(UNROLL_C_COMPILER, name, "-x c++ -std=c++17 -O1");
      if (*UNROLL_OTHER_C_COMPILER != '\0') {
        CHECK_THAT(compile(UNROLL_OTHER_C_COMPILER, name, "-std=c99 -O2"), !Contains(" U "));
        compile(UNROLL_OTHER_C_COMPILER, name, "-x c++ -std=c++17 -O1");
      }
    });
  }
}

TEST_CASE("a C file is clean under the address and undefined-behaviour sanitizers") {
  const ScratchFolder folder;
  const std::string at = folder.path().string();
  std::string files, header, calls;
  for (const bool int8 : {false, true}) {
    for_each_model<float>([&](std::string name, const auto&... model) {
      if (int8) name += "_int8";
      export_c(model..., folder.file(name + ".c"), {.int8 = int8});
      files += " " + name + ".c";
      header += "#include \"" + name + ".h\"\n";
      calls += "  if (" + name + "_selftest()) return 1;\n";
    });
  }
  write_bytes(folder.file("main.c"), header + "int main(void) {\n" + calls + "  return 0;\n}\n");
  run_command("cd '" + at + "' && '" + UNROLL_C_COMPILER +
                  "' -std=c99 -O1 -fsanitize=address,undefined -fno-sanitize-recover=all main.c" + files +
                  " -o all && ./all",
              at);
}

TEST_CASE("a C file compiled for several kinds of x86-64 processors computes the same") {
  const ScratchFolder folder;
  Rng rng(3);
  const Lstm<float> layer({.input = 3, .hidden = 40}, {.layers = 2}, rng);
  for (const bool int8 : {false, true}) {
    export_c(layer, folder.file("many.c"), {.int8 = int8});
    CModel c(folder.path().string(), "many", "-O3 -DMANY_CLONES -lgcc");
    CHECK(c.selftest() == 0);
    auto stream = freeze(layer);
    CHECK(compare(c, stream, 1000, false) < (int8 ? 1e-2 : 1e-6));
  }
}

TEST_CASE("a C file with int8 weights computes what a stream with rounded weights does") {
  const ScratchFolder folder;
  for_each_model<double>([&](const std::string& name, const auto&... model) {
    INFO(name);
    const auto c_of = [&](bool int8) {
      export_c(model..., folder.file(name + ".c"), {.int8 = int8});
      return CModel(folder.path().string(), name);
    };
    auto stream = freeze(model...);
    CModel floats = c_of(false), bytes = c_of(true);
    CHECK(bytes.selftest() == 0);
    CHECK(bytes.weight_bytes < floats.weight_bytes);
    CHECK(bytes.state_bytes == floats.state_bytes);
    const double error = compare(bytes, stream, 200, name == "words");
    CHECK(error > 1e-6);  // it is another model, but nearly the same
    CHECK(error < 0.1);
  });
  // One scale per row: this matrix is what its bytes stand for, so nothing changes.
  Rng rng(3);
  Lstm<float> layer({.input = 3, .hidden = 40, .bias = Bias::none}, rng);
  for (Var<float> p : parameters(layer)) {
    Tensor<float>& w = p.mutable_value();
    for (std::size_t row = 0; row < w.shape()[0]; ++row) {
      const float scale = std::ldexp(1.0F, -static_cast<int>(row % 7) - 8);
      for (std::size_t k = 0; k < w.shape()[1]; ++k)
        w(row, k) = scale * static_cast<float>(k == 0 ? 127 : static_cast<int>(rng.next() % 255) - 127);
    }
  }
  export_c(layer, folder.file("exact.c"), {.int8 = true});
  CModel c(folder.path().string(), "exact");
  auto stream = freeze(layer);
  CHECK(compare(c, stream, 100'000, false) < 1e-6);
}

namespace {

// Functions of x, side by side.
struct Functions : MoveOnly {
  using Scalar = float;
  using State = Var<float>;
  Var<float> zero_state(std::size_t batch) const { return Var<float>::zeros({batch, 1}); }
  std::pair<Var<float>, Var<float>> step(const Var<float>& x, const Var<float>& h) const {
    return {concat({exp(x), sigmoid(x), tanh(x), log(x), sqrt(x), sin(x), cos(x), softplus(x), gelu(x)}, 1),
            h};
  }
  static void each(auto&, auto&&) {}
};
constexpr const char* kFunctions[] = {"exp", "sigmoid", "tanh",     "log", "sqrt",
                                      "sin", "cos",     "softplus", "gelu"};
double exact(std::size_t function, double x) {
  switch (function) {
    case 0:
      return std::exp(x);
    case 1:
      return 1.0 / (1.0 + std::exp(-x));
    case 2:
      return std::tanh(x);
    case 3:
      return std::log(x);
    case 4:
      return std::sqrt(x);
    case 5:
      return std::sin(x);
    case 6:
      return std::cos(x);
    case 7:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    default:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
  }
}

}  // namespace

TEST_CASE("the functions of a C file are exact to a few units in the last place") {
  const ScratchFolder folder;
  export_c(Functions{}, 1, folder.file("functions.c"));
  CModel c(folder.path().string(), "functions");
  double worst[9] = {};
  std::vector<float> y(9);
  Rng rng(5);
  for (int n = 0; n < 400'000; ++n) {
    const double sign = n % 2 == 0 ? 1.0 : -1.0;
    const auto x = static_cast<float>(n < 200'000 ? sign * std::exp(rng.uniform() * 14.0 - 9.9)  // to 60
                                                  : sign * rng.uniform() * 10.0);
    c.step(&x, y.data());
    for (std::size_t k = 0; k < 9; ++k) {
      if ((k == 3 || k == 4) && x <= 0.0F) continue;
      const double want = exact(k, double{x});
      // The zeros of sin and cos, and far below 1 softplus and gelu: units of 1.
      const double size = k >= 5 ? std::max(std::abs(want), 1.0) : std::abs(want);
      const double ulp = std::ldexp(1.0, std::ilogb(size) - 23);
      worst[k] = std::max(worst[k], std::abs(double{y[k]} - want) / ulp);
    }
  }
  const double limit[9] = {2.0, 3.0, 3.0, 2.0, 1.0, 2.0, 2.0, 3.0, 4.0};
  for (std::size_t k = 0; k < 9; ++k) {
    INFO(kFunctions[k] << " " << worst[k]);
    CHECK(worst[k] < limit[k]);
  }
  // Beyond: what a float can hold, and what is no number.
  const float infinity = std::numeric_limits<float>::infinity();
  const auto at = [&](float x) {
    c.step(&x, y.data());
    return y;
  };
  CHECK(at(200.0F)[0] == infinity);
  CHECK(at(88.5F)[0] == Approx(std::exp(88.5)));
  CHECK(at(-200.0F)[0] == 0.0F);
  CHECK(at(infinity)[0] == infinity);
  CHECK(at(-infinity)[0] == 0.0F);
  CHECK(at(infinity)[1] == 1.0F);
  CHECK(at(-infinity)[1] == 0.0F);
  CHECK(at(-infinity)[2] == -1.0F);
  CHECK(at(0.0F)[3] == -infinity);
  CHECK(at(infinity)[3] == infinity);
  CHECK(std::isnan(at(-1.0F)[3]));
  CHECK(std::isnan(at(-1.0F)[4]));
  CHECK(at(0.0F)[4] == 0.0F);
  for (const float x : {3.402e38F, 1.2e-38F, 1e-40F, 1e-45F}) {  // the ends, and subnormal
    CHECK(at(x)[3] == Approx(std::log(x)));
    CHECK(at(x)[4] == Approx(std::sqrt(x)));
  }
  for (const float x : {8192.0F, 99'999.0F}) {
    CHECK(at(x)[5] == Approx(std::sin(x)).margin(x > 1e4F ? 1e-5 : 2e-7));
    CHECK(at(-x)[6] == Approx(std::cos(x)).margin(x > 1e4F ? 1e-5 : 2e-7));
  }
  CHECK(std::isnan(at(1.1e5F)[5]));
  CHECK(std::signbit(at(-0.0F)[2]));
  for (const float value : at(std::numeric_limits<float>::quiet_NaN())) CHECK(std::isnan(value));
}
