// The report of memory by layer, against what the process really holds.
#include <malloc.h>

#include <catch2/catch.hpp>

#include "framework/errors.hpp"
#include "layers/layers.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

constexpr std::size_t T = 100, B = 16, I = 32, H = 64, O = 3;

struct Model {
  Lstm<float> encoder;
  Linear<float> head;

  Model(RecurrentOptions options, Rng& rng)
      : encoder({.input = I, .hidden = H}, std::move(options), rng), head(H, O, rng) {
    parameters(*this);  // gives them their dotted names
  }
  Var<float> loss(const Var<float>& x) const { return mean(square(head(encoder(x).output))); }
  using Scalar = float;
  static void each(auto& self, auto&& visit) {
    visit("encoder", self.encoder);
    visit("head", self.head);
  }
};

const MemoryRow& row_of(const MemoryReport& report, const std::string& layer) {
  for (const MemoryRow& row : report.rows) {
    if (row.layer == layer) return row;
  }
  FAIL("no row for " << layer);
  return report.rows.front();
}

[[maybe_unused]] double sum_of(const MemoryReport& report, std::size_t MemoryRow::*column) {
  double sum = 0.0;
  for (const MemoryRow& row : report.rows) sum += static_cast<double>(row.*column);
  return sum;
}

}  // namespace

#if UNROLL_POOL  // a sanitizer's allocator keeps no such books
TEST_CASE("the report of memory adds up to what the forward pass adds to the process") {
  const auto in_use = [] {
    release_unused_memory();
    const struct mallinfo2 info = mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
  };
  for (const RecurrentOptions& options :
       {RecurrentOptions{}, RecurrentOptions{.path = Path::tape}, RecurrentOptions{.checkpoint_every = 10}}) {
    Rng rng(1);
    const Model model(options, rng);
    const Var<float> x(random_normal<float>({T, B, I}, 0.0, 1.0, rng));
    model.loss(x);  // what is set up once
    double grown = 0.0;
    {
      const double before = in_use();
      Tape tape;
      const auto loss = model.loss(x);
      grown = in_use() - before;
    }
    const TrackMemory track;
    Tape tape;
    const auto loss = model.loss(x);
    const MemoryReport report = memory_report(tape);
    INFO(to_string(report));
    CHECK(static_cast<double>(report.step_bytes()) == Approx(grown).epsilon(0.1));
    CHECK(sum_of(report, &MemoryRow::nodes) == static_cast<double>(tape.size()));
    CHECK(sum_of(report, &MemoryRow::tape_bytes) == static_cast<double>(tape.used_bytes()));
  }
}
#endif

TEST_CASE("the report of memory says which layer holds what, the traces of a kernel included") {
  const auto report_of = [](RecurrentOptions options, bool backward) {
    Rng rng(2);
    const Model model(std::move(options), rng);
    const Var<float> x(random_normal<float>({T, B, I}, 0.0, 1.0, rng));
    const TrackMemory track;
    Tape tape;
    const auto loss = model.loss(x);
    if (backward) tape.backward(loss);
    return memory_report(tape);
  };
  const MemoryReport report = report_of({}, false);
  INFO(to_string(report));
  REQUIRE(report.rows.size() == 3);
  CHECK(report.rows[0].layer == "encoder (Lstm)");
  CHECK(report.rows[1].layer == "head (Linear)");
  CHECK(report.rows[2].layer == "outside layers");
  // Per step: i f g o, c, tanh c and h, rounded up to a power of two where it is none.
  const MemoryRow& lstm = report.rows[0];
  CHECK(lstm.value_bytes >= 7 * T * B * H * sizeof(float));
  CHECK(lstm.value_bytes <= 10 * T * B * H * sizeof(float));
  CHECK(lstm.nodes == 4 + 4);  // parameters, and the op with its three outputs
  CHECK(lstm.parameter_bytes == (4 * H * (I + H) + 2 * 4 * H) * sizeof(float));
  CHECK(lstm.gradient_bytes == 0);
  const MemoryRow& linear = report.rows[1];
  CHECK(linear.value_bytes >= T * B * O * sizeof(float));
  CHECK(linear.value_bytes < 4 * T * B * O * sizeof(float));
  CHECK(linear.parameter_bytes == (O * H + O) * sizeof(float));
  CHECK(row_of(report_of({.checkpoint_every = 10}, false), "encoder (Lstm)").value_bytes <
        lstm.value_bytes / 3);

  const MemoryReport after = report_of({}, true);
  for (const MemoryRow& row : after.rows) CHECK(row.gradient_bytes == row.parameter_bytes);
  CHECK(row_of(after, "encoder (Lstm)").value_bytes == lstm.value_bytes);
  // Gradients are counted once: outside of layers are only their handles.
  CHECK(row_of(after, "outside layers").value_bytes < lstm.parameter_bytes / 10);
  CHECK_THAT(to_string(report), Contains("layer") && Contains("encoder (Lstm)") && Contains("total"));
}

TEST_CASE("a report of memory wants a scope that counts, which leaves the pool as it was") {
  Tape tape;
  CHECK_THROWS_AS(memory_report(tape), TapeError);
  const Var<float> w = parameter(ones<float>({300, 300}));
  { const Var<float> freed = w + w; }
  const std::size_t pooled = pooled_bytes();
  CHECK((UNROLL_POOL == 0 || pooled > 0));
  Var<float> kept;
  {
    const TrackMemory track;
    const Var<float> dropped = w * 2.0F;
    kept = w * 3.0F;
    CHECK(memory_report(tape).rows.back().value_bytes >= 2 * kept.size() * sizeof(float));
  }
  // What is kept has a small block of the pool, beside its elements.
  CHECK((pooled_bytes() == pooled - sizeof(detail::Value<float>) || UNROLL_POOL == 0));
  CHECK(kept.value()(7, 7) == 3.0F);
  CHECK_THROWS_WITH(memory_report(tape), Contains("[memory_report] expected a TrackMemory"));
}

TEST_CASE("layers inside layers hold their own share") {
  const auto outer = [](const Var<double>& x) {
    const LayerScope scope("Outer", "model.weight");
    const Var<double> first = exp(x);
    const LayerScope inner("Inner", "model.inner.weight");
    return exp(first) * 2.0;
  };
  const TrackMemory track;
  Tape tape;
  const Var<double> x = parameter(zeros<double>({16, 64}));
  const Var<double> y = sin(outer(x));
  const MemoryReport report = memory_report(tape);
  REQUIRE(report.rows.size() == 3);
  CHECK(row_of(report, "model (Outer)").nodes == 2);  // the parameter and exp
  CHECK(row_of(report, "model.inner (Inner)").nodes == 2);
  CHECK(row_of(report, "outside layers").nodes == 1);
  CHECK(row_of(report, "model (Outer)").parameter_bytes == x.size() * sizeof(double));
  CHECK(row_of(report, "outside layers").parameter_bytes == 0);
}
