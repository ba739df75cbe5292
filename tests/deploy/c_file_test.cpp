// What export_c writes as text, and what it refuses.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "c_library.hpp"
#include "models.hpp"
#include "tests/scratch.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {

// A cell whose step is a function, with a constant and parameters of the same name.
struct OddCell : MoveOnly {
  static constexpr const char* kName = "OddCell";
  using Scalar = float;
  struct State {
    using Scalar = float;
    Var<float> h, old;
    static void each(auto& self, auto&& visit) {
      visit("h", self.h);
      visit("old", self.old);
    }
  };
  CellSizes options;
  Var<float> a, b, shift;

  OddCell() = default;
  OddCell(CellSizes sizes, Rng& rng) : options(sizes) {
    const auto i = static_cast<std::size_t>(sizes.input), h = static_cast<std::size_t>(sizes.hidden);
    a = parameter(random_normal<float>({i, h}, 0.0, 0.5, rng), "weight");
    b = parameter(random_normal<float>({h, h}, 0.0, 0.5, rng), "weight");
    shift = parameter(random_normal<float>({h}, 0.0, 0.5, rng), "*/ int evil; /*");
  }
  // The matrix b is used in both directions, states change places, and columns of a sum are read back.
  State step(const Var<float>& x, const State& s) const {
    const Var<float> u = matmul(x, a) + shift, v = matmul(tanh(u), b) + matmul(s.old, transpose(b));
    const auto n = static_cast<Index>(v.shape(1));
    const Var<float> turned = concat({slice(v, 1, {1, n}), slice(v, 1, {0, 1})}, 1);
    const Var<float> y = sigmoid(turned) * clamp(v, -0.5, 0.5) + mean(s.h, {1}, true);
    return {.h = y, .old = s.h};
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("a", self.a);
    visit("b", self.b);
    visit("shift", self.shift);
  }
};

// States that become parts of others.
struct Turning : MoveOnly {
  using Scalar = float;
  struct State {
    using Scalar = float;
    Var<float> a, b, c;
    static void each(auto& self, auto&& visit) {
      visit("a", self.a);
      visit("b", self.b);
      visit("c", self.c);
    }
  };
  State zero_state(std::size_t batch) const {
    return {Var<float>::zeros({batch, 3}), Var<float>::zeros({batch, 2}), Var<float>::zeros({batch, 2})};
  }
  std::pair<Var<float>, State> step(const Var<float>& x, const State& s) const {
    const Var<float> y = concat({s.b, slice(s.a, 1, {0, 1})}, 1);
    return {y, {tanh(concat({x, slice(s.c, 1, {1, 2})}, 1)), slice(s.a, 1, {1, 3}), slice(s.a, 1, {0, 2})}};
  }
  static void each(auto&, auto&&) {}
};

// A model with several outputs.
struct Singer : MoveOnly {
  using Scalar = float;
  using State = LstmState<float>;
  struct Output {
    Var<float> pitch, loudness;
    static void each(auto& self, auto&& visit) {
      visit("pitch", self.pitch);
      visit("loudness", self.loudness);
    }
  };
  Lstm<float> lstm;
  explicit Singer(Rng& rng) : lstm({.input = 2, .hidden = 5}, rng) {}
  State zero_state(std::size_t batch) const { return unroll::zero_state(lstm.cells()[0], batch); }
  std::pair<Output, State> step(const Var<float>& x, const State& state) const {
    auto [h, states] = lstm.step(x, {state});
    return {{slice(h, 1, {0, 2}), softmax(h)}, states[0]};
  }
  static void each(auto& self, auto&& visit) { visit("lstm", self.lstm); }
};

void check_steps(CModel& c, Stream<float>& stream, std::size_t inputs,
                 const std::vector<std::string>& outputs = {}) {
  Rng rng(2);
  std::vector<float> y(64), want;
  for (int t = 0; t < 100; ++t) {
    const Tensor<float> x = random_normal<float>({inputs}, 0.0, 1.0, rng);
    const auto first = stream.step({x.data(), x.size()});
    want.assign(first.begin(), first.end());
    for (const std::string& name : outputs) {
      const auto more = stream.output(name);
      want.insert(want.end(), more.begin(), more.end());
    }
    c.step(x.data(), y.data());
    for (std::size_t i = 0; i < want.size(); ++i) REQUIRE(y[i] == Approx(want[i]).margin(2e-6));
  }
}

}  // namespace

TEST_CASE("a C file has names of its own for parameters that share one, and for any words") {
  const ScratchFolder folder;
  Rng rng(1);
  const Recurrent<OddCell> layer({.input = 3, .hidden = 4}, {.layers = 2}, rng);
  for (const bool int8 : {false, true}) {
    export_c(layer, folder.file("odd.c"), {.int8 = int8});
    CModel c(folder.path().string(), "odd");
    CHECK(c.selftest() == 0);
    if (int8) continue;
    auto stream = freeze(layer);
    check_steps(c, stream, 3);
  }
  CHECK_THAT(read_bytes(folder.file("odd.c")), !Contains("evil;"));
}

TEST_CASE("a C file of several layers, functions and outputs") {
  const ScratchFolder folder;
  Rng rng(4);
  const Sequential model(
      Lstm<float>({.input = 4, .hidden = 5}, {.layers = 2}, rng), [](const auto& r) { return r.output; },
      LayerNorm<float>(5), Recurrent<gallery::SruCell<float>>({.input = 5, .hidden = 6}, rng),
      [](const auto& r) { return last(r); }, Linear<float>(6, 7, rng), Activation::relu(),
      Dropout<float>(0.5, rng), Linear<float>(7, 3, rng), [](const auto& x) { return log_softmax(x); });
  export_c(model, folder.file("stack.c"));
  CModel stack(folder.path().string(), "stack");
  CHECK(stack.selftest() == 0);
  auto stream = freeze(model);
  check_steps(stack, stream, 4);

  const Singer singer(rng);
  export_c(singer, 2, folder.file("singer.c"), {.name = "voice"});
  std::filesystem::copy_file(folder.file("singer.c"), folder.file("voice.c"));
  std::filesystem::copy_file(folder.file("singer.h"), folder.file("voice.h"));
  CModel voice(folder.path().string(), "voice");
  CHECK(voice.selftest() == 0);
  auto sung = freeze(singer, 2);
  CHECK_THAT(read_bytes(folder.file("voice.h")), Contains("y[7]: pitch[2], loudness[5]. */"));
  check_steps(voice, sung, 2, {"loudness"});

  export_c(Turning{}, 2, folder.file("turning.c"));
  CModel turning(folder.path().string(), "turning");
  CHECK(turning.selftest() == 0);
  auto turned = freeze(Turning{}, 2);
  check_steps(turning, turned, 2);
}

TEST_CASE("a C file of a matrix that is used in both directions, in bytes too") {
  const ScratchFolder folder;
  Rng rng(14);
  const Linear<float> w(16, 16, rng);
  const Sequential model(
      Gru<float>({.input = 3, .hidden = 16}, rng), [](const auto& r) { return r.output; },
      [&](const auto& h) {
        return concat({w(h), matmul(h, w.weight)}, 1);
      });
  for (const bool int8 : {false, true}) {
    export_c(model, folder.file("both.c"), {.int8 = int8});
    CModel c(folder.path().string(), "both");
    CHECK(c.selftest() == 0);
  }
}

TEST_CASE("what is no number, and where floats end, in a C file") {
  const ScratchFolder folder;
  Rng rng(15);
  const auto part = [](const auto& h, Index k) { return slice(h, 1, {k, k + 1}); };
  const Sequential model(
      Recurrent<gallery::IndRnnCell<float>>({.input = 1, .hidden = 1}, rng),
      [](const auto& r) { return r.output; },
      [&](const auto& h) {
        const auto x = h * 0.0 + 1e5;  // where logits are large
        return concat(
            {relu(h), maximum(h, 0.0 * h), minimum(h, 0.0 * h), max(concat({h, 1.0 + h}, 1), {1}, true),
             log_softmax(concat({x, x + 1.0}, 1)), part(log_softmax(concat({x, x}, 1)), 0)},
            1);
      });
  export_c(model, folder.file("ends.c"));
  CModel c(folder.path().string(), "ends", "-O3");
  auto stream = freeze(model);
  CHECK(c.selftest() == 0);
  check_steps(c, stream, 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> y(7);
  c.step(&nan, y.data());
  for (std::size_t k = 0; k < 4; ++k) CHECK(std::isnan(y[k]));
}

TEST_CASE("a C file with an embedding or cos alone compiles without a warning") {
  const ScratchFolder folder;
  Rng rng(16);
  const Sequential model(Embedding<float>(7, 4, rng), Linear<float>(4, 1, rng),
                         [](const auto& y) { return cos(y); });
  export_c(model, folder.file("few.c"));
  for (const char* level : {"-O0", "-O2", "-O3"}) {
    CModel c(folder.path().string(), "few", level);
    CHECK(c.selftest() == 0);
  }
  if (*UNROLL_OTHER_C_COMPILER != '\0')
    CHECK(CModel(folder.path().string(), "few", "-O2", UNROLL_OTHER_C_COMPILER).selftest() == 0);
}

TEST_CASE("no comment ends early, and -ffast-math is refused") {
  const ScratchFolder folder;
  Rng rng(17);
  const Lstm<float> layer({.input = 1, .hidden = 2}, rng);
  for (const char* comment : {"*/ int evil; /*", "/*/*/", "*\\\n/ int evil; /*",
                              "*?"
                              "?/\n/",
                              "x\\",
                              "?"
                              "?/",
                              "a\rb\x01\nc"}) {
    export_c(layer, folder.file("odd.c"), {.comment = comment});
    CHECK(CModel(folder.path().string(), "odd").selftest() == 0);
  }
  CHECK_THROWS_WITH(CModel(folder.path().string(), "odd", "-O2 -ffast-math"),
                    Contains("not with -ffast-math"));
}

TEST_CASE("n steps of a C file in one call, two states, and ids that are none") {
  const ScratchFolder folder;
  Rng rng(8);
  const Lstm<float> layer({.input = 2, .hidden = 3}, rng);
  export_c(layer, folder.file("blocks.c"));
  CModel a(folder.path().string(), "blocks"), b = a;  // b: the same code, a state of its own
  std::vector<float> x(2 * 20), one(3 * 20), all(3 * 20), other(3);
  for (float& v : x) v = static_cast<float>(rng.uniform(-1.0, 1.0));
  for (std::size_t t = 0; t < 20; ++t) {
    a.step(x.data() + 2 * t, one.data() + 3 * t);
    b.step(x.data() + 2 * (19 - t), other.data());
  }
  a.reset();
  a.block(20, x.data(), all.data());
  CHECK(one == all);

  const Embedding<float> embedding(7, 2, rng);
  const Linear<float> head(3, 4, rng);
  for (const bool int8 : {false, true}) {
    export_c(embedding, layer, head, folder.file("ids.c"), {.int8 = int8});
    CModel ids(folder.path().string(), "ids");
    std::vector<float> y(4 * 3, -1.0F), again(4 * 3, -1.0F);
    const std::int32_t good[] = {6, 0, 3}, bad[] = {1, 7, 2};
    for (const std::int32_t id : {-1, 7, INT32_MAX, INT32_MIN}) CHECK(ids.step(id, y.data()) == 0);
    CHECK(ids.block(3, bad, y.data()) == 0);
    CHECK(y == again);  // nothing has happened
    CHECK(ids.block(3, good, y.data()) == 1);
    ids.reset();
    for (std::size_t t = 0; t < 3; ++t) CHECK(ids.step(good[t], again.data() + 4 * t) == 1);
    CHECK(y == again);
  }
}

TEST_CASE("a C file is the same every time, small, and names layers and parameters") {
  const ScratchFolder folder;
  Rng rng(9);
  const Lstm<float> layer({.input = 1, .hidden = 16}, rng);
  const Linear<float> head(16, 1, rng);
  export_c(layer, head, folder.file("voice.c"));
  const std::string code = read_bytes(folder.file("voice.c")), header = read_bytes(folder.file("voice.h"));
  export_c(layer, head, folder.file("voice.c"));
  CHECK(read_bytes(folder.file("voice.c")) == code);
  CHECK(read_bytes(folder.file("voice.h")) == header);
  for (const char* part : {"#include \"voice.h\"", "/* Layer 0: 1 -> 16. */", "voice_l0_weight_ih[64]",
                           "voice_l0_weight_hh[1024]", "voice_l0_bias_ih_plus_bias_hh[64]",
                           "voice_l1_weight[16]", "_sigmoid(", "_tanh("})
    CHECK_THAT(code, Contains(part));
  for (const char* part :
       {"#define VOICE_INPUTS 1\n", "#define VOICE_OUTPUTS 1\n", "/* 128 bytes */",
        "4676 bytes of float weights, about 452 bytes of stack", "float l0_h[16];", "float l0_c[16];"})
    CHECK_THAT(header, Contains(part));
  // As the page shows it.
  const std::string page = read_bytes(UNROLL_SOURCE_DIR "/docs/deploy.md");
  const std::size_t begin = page.find("```c\n") + 5;
  std::istringstream shown(page.substr(begin, page.find("```", begin) - begin));
  for (std::string line; std::getline(shown, line);) CHECK_THAT(header, Contains(line));
  CHECK_THAT(code, !Contains("_log("));  // nothing that is not called
  // Its text, compiled: everything but the weights and the numbers of the test.
  const std::string at = folder.path().string();
  const std::string sizes = run_command(std::string("cd '") + at + "' && '" + UNROLL_C_COMPILER +
                                            "' -std=c99 -Os -c voice.c -o voice.o && size -A voice.o",
                                        at);
  const std::size_t text = std::stoul(sizes.substr(sizes.find(".text") + 5));
  INFO(sizes);
  CHECK(text < 8192);
}

TEST_CASE("export_c refuses what is no name, no number or no code") {
  const ScratchFolder folder;
  Rng rng(6);
  Lstm<float> layer({.input = 2, .hidden = 3}, rng);
  const auto file = [&](const std::string& name) { return folder.file(name); };
  CHECK_THROWS_WITH(export_c(layer, file("voice")),
                    Contains("[export_c] file: expected a name that ends with .c"));
  CHECK_THROWS_WITH(
      export_c(layer, file("my-voice.c")),
      Contains("[export_c] name: expected letters, digits and '_', a letter first, got 'my-voice' "
               "(choose another file name, or set COptions::name)"));
  CHECK_THROWS_AS(export_c(layer, file("2.c")), ArgumentError);
  CHECK_THROWS_AS(export_c(layer, file("v.c"), {.name = "_v"}), ArgumentError);
  CHECK_THROWS_AS(export_c(layer, file("no/folder/v.c")), FileError);
  CHECK_THROWS_WITH(export_c(Lstm<float>(), file("v.c")), Contains("[Lstm"));
  CHECK_THROWS_WITH(
      export_c(Recurrent<LstmCell<float>>({.input = 2, .hidden = 3}, {.bidirectional = true}, rng),
               file("v.c")),
      Contains("bidirectional"));
  CHECK_THROWS_WITH(export_c(Sequential(Gru<float>({.input = 2, .hidden = 3}, rng),
                                        [](const auto& r) { return cumsum(r.output, 0); }),
                             file("v.c")),
                    Contains("cumsum"));
  layer.cells()[0].weight_hh.mutable_value()(1, 2) = std::numeric_limits<float>::quiet_NaN();
  for (const bool int8 : {false, true})
    CHECK_THROWS_WITH(export_c(layer, file("v.c"), {.int8 = int8}),
                      Contains("weight_hh: expected finite floats, got nan"));
  CHECK_THROWS_WITH(export_c(Gru<float>({.input = 2, .hidden = 3}, rng), file("a@b.c"), {.name = "v"}),
                    Contains("expected a name without quotes"));
  // Doubles that no float can hold.
  Gru<double> wide({.input = 2, .hidden = 3}, rng);
  wide.cells()[0].weight_ih.mutable_value()(0, 0) = 1e300;
  CHECK_THROWS_WITH(export_c(wide, file("v.c")),
                    Contains("weight_ih: expected finite floats, got 1e+300, which is too large for one"));
  Gru<double> biased({.input = 2, .hidden = 3}, rng);
  biased.cells()[0].bias_hh.mutable_value()(0) = -1e200;
  CHECK_THROWS_WITH(export_c(biased, file("v.c")), Contains("bias_hh"));
  std::filesystem::create_directory(file("d.c"));
  CHECK_THROWS_AS(export_c(wide, file("d.c"), {.name = "d"}), Error);
  std::filesystem::remove(file("d.c"));
  CHECK(folder.files() == 0);  // nothing is left of a file that was refused
}
