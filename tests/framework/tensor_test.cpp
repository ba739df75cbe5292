#include "framework/tensor.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>
#include <xtensor/xmanipulation.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xsort.hpp>
#include <xtensor/xview.hpp>

#include "framework/errors.hpp"
#include "framework/ops.hpp"

using namespace unroll;

TEST_CASE("a tensor is a genuine xtensor container") {
  Tensor<double> x{{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}};
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x(1, 2) == 6.0);
  CHECK(x.at(0, 1) == 2.0);

  SECTION("sums and other reductions") {
    CHECK(xt::sum(x)() == 21.0);
    CHECK((Tensor<double>(xt::sum(x, {0})) == Tensor<double>{5.0, 7.0, 9.0}));
    CHECK((Tensor<double>(xt::mean(x, {1})) == Tensor<double>{2.0, 5.0}));
    CHECK((Tensor<std::int64_t>(xt::argmax(x, 1)) == Tensor<std::int64_t>{2, 2}));
  }
  SECTION("views read and write") {
    const Tensor<double> column = xt::view(x, xt::all(), 1);
    CHECK((column == Tensor<double>{2.0, 5.0}));
    xt::view(x, 0, xt::range(1, 3)) = 0.0;
    CHECK((x == Tensor<double>{{1.0, 0.0, 0.0}, {4.0, 5.0, 6.0}}));
  }
  SECTION("expressions broadcast, also when assigned in place") {
    const Tensor<double> row{10.0, 20.0, 30.0};
    const Tensor<double> y = x * 2.0 + row;
    CHECK((y == Tensor<double>{{12.0, 24.0, 36.0}, {18.0, 30.0, 42.0}}));
    x += row;
    CHECK((x == Tensor<double>{{11.0, 22.0, 33.0}, {14.0, 25.0, 36.0}}));
    x = xt::broadcast(row, {2, 3});
    CHECK((x == Tensor<double>{{10.0, 20.0, 30.0}, {10.0, 20.0, 30.0}}));
  }
  SECTION("reshape, transpose and iteration") {
    CHECK((Tensor<double>(xt::transpose(x)) == Tensor<double>{{1.0, 4.0}, {2.0, 5.0}, {3.0, 6.0}}));
    x.reshape({3, 2});
    CHECK((x == Tensor<double>{{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}}));
    CHECK(std::accumulate(x.begin(), x.end(), 0.0) == 21.0);
    CHECK(std::is_sorted(x.data(), x.data() + x.size()));
  }
  SECTION("it meets xtensor's own containers") {
    const xt::xarray<double> own = x;
    CHECK(Tensor<double>(own + x)(1, 2) == 12.0);
  }
}

TEST_CASE("a tensor has at most six axes") {
  const Tensor<float> six = zeros<float>({1, 2, 1, 2, 1, 2});
  CHECK(six.dimension() == 6);
  CHECK_THROWS_AS(Shape({1, 1, 1, 1, 1, 1, 1}), ShapeError);
  CHECK_THROWS_AS(Tensor<float>(xt::expand_dims(six, 0)), ShapeError);
}

TEST_CASE("tensors are made with a value, from values, and converted") {
  CHECK((full<float>({2, 2}, 3.0F) == Tensor<float>{{3.0F, 3.0F}, {3.0F, 3.0F}}));
  CHECK(zeros<double>({2})(1) == 0.0);
  CHECK(ones<double>({2})(1) == 1.0);
  CHECK(empty<float>({3, 0}).size() == 0);
  CHECK((from_values<double>({2, 2}, {1.0, 2.0, 3.0, 4.0}) == Tensor<double>{{1.0, 2.0}, {3.0, 4.0}}));
  CHECK(from_values<std::int64_t>({}, {7})() == 7);
  CHECK_THROWS_AS(from_values<double>({2, 2}, {1.0, 2.0, 3.0}), ShapeError);
  CHECK_THROWS_WITH(from_values<double>({2, 2}, {1.0, 2.0, 3.0}),
                    Catch::Contains("(2,2)") && Catch::Contains("3"));
  CHECK((convert_tensor<float>(Tensor<double>{1.5, -2.0}) == Tensor<float>{1.5F, -2.0F}));
}

TEST_CASE("shapes are counted, printed, broadcast and indexed from the end") {
  CHECK(element_count({}) == 1);
  CHECK(element_count({2, 3, 4}) == 24);
  CHECK(element_count({2, 0, 4}) == 0);
  CHECK(to_string(Shape{}) == "()");
  CHECK(to_string(Shape{3, 4}) == "(3,4)");
  CHECK(broadcast_shapes("op", {2, 1, 4}, {3, 1}) == Shape{2, 3, 4});
  CHECK(broadcast_shapes("op", {}, {3, 0}) == Shape{3, 0});
  CHECK(broadcast_shapes("op", {1}, {0}) == Shape{0});
  CHECK_THROWS_WITH(broadcast_shapes("op", {2, 3}, {2}), Catch::Contains("[op]") && Catch::Contains("(2,3)"));
  CHECK_THROWS_AS(broadcast_shapes("op", {0}, {2}), ShapeError);
  CHECK(normalize_axis("op", -1, 3) == 2);
  CHECK(normalize_axis("op", -3, 3) == 0);
  CHECK_THROWS_AS(normalize_axis("op", 3, 3), ShapeError);
  CHECK_THROWS_AS(normalize_axis("op", -4, 3), ShapeError);
  CHECK_THROWS_AS(normalize_axis("op", 0, 0), ShapeError);
}

TEST_CASE("an inline vector behaves like a vector of at most six") {
  using Vector = InlineVector<std::size_t>;
  Vector v{1, 2, 3};
  CHECK(v.size() == 3);
  CHECK(v.front() == 1);
  CHECK(v.back() == 3);
  CHECK(std::vector<std::size_t>(v.rbegin(), v.rend()) == std::vector<std::size_t>{3, 2, 1});

  v.insert(v.begin() + 1, 9);
  CHECK(v == Vector{1, 9, 2, 3});
  v.insert(v.end(), 7);
  v.insert(v.begin(), 8);
  CHECK(v == Vector{8, 1, 9, 2, 3, 7});
  CHECK_THROWS_AS(v.insert(v.begin(), 0), ShapeError);
  CHECK_THROWS_AS(v.push_back(0), ShapeError);
  CHECK_THROWS_AS(v.resize(7), ShapeError);
  CHECK_THROWS_AS(v.assign(7, 1), ShapeError);
  CHECK(v == Vector{8, 1, 9, 2, 3, 7});  // a refused call changes nothing

  CHECK(*v.erase(v.begin() + 1) == 9);
  const auto behind = v.erase(v.end() - 1);
  CHECK(behind == v.end());
  CHECK(v == Vector{8, 9, 2, 3});
  v.pop_back();
  v.resize(5, 4);
  CHECK(v == Vector{8, 9, 2, 4, 4});
  v.resize(1);
  v.resize(2);
  CHECK(v == Vector{8, 0});
  v.clear();
  CHECK(v.empty());
  CHECK(v == Vector());
  const std::vector<int> source{4, 5};
  CHECK(Vector(source.begin(), source.end()) == Vector{4, 5});
  CHECK(Vector(2, 5) == Vector{5, 5});
  CHECK(Vector{1, 2} < Vector{1, 3});
  CHECK(Vector{1} < Vector{1, 0});
  CHECK(Vector{1, 2} != Vector{1, 2, 0});
  Vector copy = v;
  copy.push_back(1);
  CHECK(v.empty());
}

TEST_CASE("memory is aligned, comes back to the pool and is handed out again") {
  release_unused_memory();
  const std::size_t others = pooled_bytes();                             // beside values that live longer
  for (const std::size_t rows : {std::size_t{10}, std::size_t{1000}}) {  // in a slab, and alone
    const float* address = nullptr;
    {
      const Tensor<float> x = zeros<float>({rows, 10});
      address = x.data();
      CHECK(reinterpret_cast<std::uintptr_t>(address) % 64 == 0);
    }
    // Under AddressSanitizer there is no pool, so that it sees every use after free.
    const std::size_t held = pooled_bytes();
    CHECK((held > others || !UNROLL_POOL));
    {
      const Tensor<float> y = zeros<float>({rows / 2, 20});
      CHECK((y.data() == address || !UNROLL_POOL));
      CHECK((pooled_bytes() < held || !UNROLL_POOL));
    }
    CHECK(pooled_bytes() == held);
    release_unused_memory();
    CHECK(pooled_bytes() == others);
  }
}

TEST_CASE("a tensor that cannot grow stays as it was") {
  constexpr std::size_t kTooMany = std::size_t{1} << 46;
  Tensor<double> x{{1.0, 2.0}, {3.0, 4.0}};
  CHECK_THROWS_AS(x.resize(Shape{kTooMany}), MemoryError);
  CHECK(x.shape() == Shape{2, 2});
  CHECK(x(1, 0) == 3.0);
  Var<double> small(Tensor<double>(x + 0.0));
  small = small * small;
  CHECK_THROWS_AS(small.mutable_value().resize(Shape{kTooMany}), MemoryError);
  CHECK(small.value()(1, 1) == 16.0);
}

TEST_CASE("a tensor of any number is reshaped, with sizes of any type") {
  Tensor<std::uint8_t> bytes(Shape{2, 6}, 7);
  const std::size_t rows = 3;
  bytes.reshape({rows, bytes.size() / rows});
  CHECK(bytes.shape() == Shape{3, 4});
  bytes.reshape({2, -1});
  CHECK(bytes.shape() == Shape{2, 6});
  CHECK_THROWS_WITH(bytes.reshape({5, -1}), "[Tensor::reshape] shape: expected 12 elements, got (5,-1)");
  CHECK_THROWS_AS(bytes.reshape({-1, -1}), ShapeError);
  CHECK_THROWS_AS(bytes.reshape({7}), ShapeError);
}

TEST_CASE("small blocks stay in order, whatever the order in which they came back") {
  constexpr std::size_t kMany = 5000;
  const auto sizes = [](std::size_t i) { return std::size_t{1 + i % 3 * 200}; };
  std::vector<Tensor<float>> values;
  for (int round = 0; round < 20; ++round) {
    std::shuffle(values.begin(), values.end(), std::mt19937_64(std::uint64_t(round)));
    values.clear();
    for (std::size_t i = 0; i < kMany; ++i) {
      values.emplace_back(Shape{sizes(i)});
      std::fill_n(values.back().data(), sizes(i), static_cast<float>(i));
    }
  }
  std::size_t neighbours = 0;
  for (std::size_t i = 0; i < kMany; ++i) {
    const float* data = values[i].data();
    CHECK(std::all_of(data, data + sizes(i), [i](float v) { return v == static_cast<float>(i); }));
    if (i < 3) continue;
    const auto step =
        reinterpret_cast<std::uintptr_t>(data) - reinterpret_cast<std::uintptr_t>(values[i - 3].data());
    neighbours += step <= 2048 ? 1 : 0;
  }
  CHECK((neighbours > kMany * 95 / 100 || !UNROLL_POOL));
}

TEST_CASE("the sizes of a tensor stay right when there are more shapes than layouts are shared") {
  std::vector<Tensor<float>> kept;
  for (std::size_t i = 1; i <= detail::kMostLayouts + 500; ++i) {
    Tensor<float> x(Shape{1, i});
    REQUIRE(x.shape() == Shape{1, i});
    if (i % 1000 == 0 || i > detail::kMostLayouts) kept.push_back(x);
  }
  const Tensor<float> last = kept.back();
  Tensor<float> moved = std::move(kept.back());
  CHECK(moved.shape() == last.shape());
  CHECK(kept.back().shape() == Shape{0});
  const Var<float> v(moved);
  CHECK((v + v).shape() == last.shape());
  moved.reshape({-1, 1});
  CHECK(moved.shape() == Shape{last.size(), 1});
}

TEST_CASE("a tensor may be made on one thread and freed on another") {
  release_unused_memory();
  std::vector<Tensor<double>> made;
  std::thread maker([&] {
    for (std::size_t i = 1; i <= 100; ++i) made.push_back(full<double>({i, 7}, static_cast<double>(i)));
  });
  maker.join();
  double total = 0.0;
  for (const auto& x : made) total += x(0, 3);
  CHECK(total == 5050.0);
  const std::size_t held = pooled_bytes();
  made.clear();
  // Larger blocks are this thread's now; small ones have returned to the slabs of the other one.
  CHECK((pooled_bytes() > held || !UNROLL_POOL));
  std::vector<std::thread> threads;
  std::vector<double> sums(4);
  for (std::size_t t = 0; t < sums.size(); ++t) {
    threads.emplace_back([&sums, t] {
      for (std::size_t i = 0; i < 2000; ++i) {
        const Tensor<double> x = full<double>({1 + i % 50, 3}, static_cast<double>(t));
        const Tensor<double> y = x + 1.0;
        sums[t] += y(0, 2);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (std::size_t t = 0; t < sums.size(); ++t) CHECK(sums[t] == 2000.0 * static_cast<double>(t + 1));
}

TEST_CASE("tensors that many threads hand to each other keep their elements, also when threads end") {
  struct Mailbox {
    std::mutex mutex;
    std::vector<Tensor<float>> tensors;
  };
  std::array<Mailbox, 3> boxes;
  std::atomic<int> damaged{0};
  const auto work = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int round = 0; round < 600; ++round) {
      const std::size_t size = 1 + random() % 700;
      Tensor<float> mine(Shape{size}, static_cast<float>(size));
      Mailbox& box = boxes[random() % boxes.size()];
      Tensor<float> other;
      {
        const std::scoped_lock lock(box.mutex);
        box.tensors.push_back(std::move(mine));
        const std::size_t taken = random() % box.tensors.size();
        if (random() % 8 != 0) {
          std::swap(box.tensors[taken], box.tensors.back());
          other = std::move(box.tensors.back());
          box.tensors.pop_back();
        }
      }
      const auto tag = static_cast<float>(other.size());
      if (other.dimension() == 1 &&
          !std::all_of(other.begin(), other.end(), [=](float v) { return v == tag; }))
        ++damaged;
      if (round % 100 == 99) release_unused_memory();
    }
  };
  for (std::uint64_t generation = 0; generation < 4; ++generation) {
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) threads.emplace_back(work, generation * 4 + t);
    for (auto& thread : threads) thread.join();
  }
  for (Mailbox& box : boxes) {
    for (const auto& x : box.tensors) {
      const auto tag = static_cast<float>(x.size());
      CHECK(std::all_of(x.begin(), x.end(), [=](float v) { return v == tag; }));
    }
  }
  CHECK(damaged == 0);
}

TEST_CASE("values of tensors do not pile up when they are let go") {
  const auto held_after = [](int steps) {
    release_unused_memory();
    for (int i = 0; i < steps; ++i) {
      const Var<float> x(full<float>({8, 4}, 1.0F));
      const Var<float> y = x * x + x;
    }
    return pooled_bytes();
  };
  CHECK(held_after(1000) == held_after(10));
}

TEST_CASE("a value whose tensor was moved out is not handed out again") {
  const Shape shape{3, 5};
  {
    Var<double> emptied(full<double>(shape, 1.0));
    const Tensor<double> taken = std::move(emptied.mutable_value());
    CHECK(taken(2, 4) == 1.0);
  }
  for (int i = 0; i < 3; ++i) {
    const Var<double> fresh = Var<double>::uninitialized(shape);
    CHECK(fresh.value().storage().size() == 15);
  }
}

TEST_CASE("a handle shares its value, an empty one says so") {
  Var<double> a(Tensor<double>{1.0, 2.0});
  Var<double> b = a;
  CHECK(a.same_as(b));
  b.mutable_value()(0) = 5.0;
  CHECK(a.value()(0) == 5.0);
  const Var<double> c = a.detach();
  b.mutable_value()(0) = 6.0;
  CHECK(c.value()(0) == 5.0);
  CHECK(a.shape(-1) == 2);
  CHECK_THROWS_AS(a.shape(1), ShapeError);
  CHECK_THROWS_AS(a.item(), ShapeError);
  const Var<double> moved = std::move(a);
  CHECK_THROWS_AS(a.value(), TapeError);
  CHECK_FALSE(a.defined());
  CHECK_THROWS_AS(Var<float>().shape(), TapeError);
  Var<double> w = parameter(Tensor<double>{1.0}, "w");
  w.set_name("v");
  CHECK(w.name() == "v");
  CHECK_THROWS_AS(Var<double>(c).set_name("x"), TapeError);
  CHECK(w.requires_grad());
  CHECK_FALSE(w.detach().requires_grad());
}

TEST_CASE("a shape of more elements than can be counted is refused") {
  const std::size_t large = std::size_t{1} << 40;
  CHECK_THROWS_AS(Tensor<float>(Shape{large, large}), ShapeError);
  CHECK_THROWS_WITH(zeros<double>({large, large}),
                    "[Tensor] shape: expected a number of elements that memory can hold, got "
                    "(1099511627776,1099511627776)");
  CHECK_THROWS_AS(Tensor<float>(Shape{0, large, large}), ShapeError);  // its strides could not be counted
  CHECK_THROWS_AS(Tensor<float>(Shape{static_cast<std::size_t>(-1)}), ShapeError);
  CHECK_THROWS_AS(Tensor<float>(Shape{static_cast<std::size_t>(-2), static_cast<std::size_t>(-2)}),
                  ShapeError);
  CHECK_THROWS_AS(from_values<float>({large, large, large}, {}), ShapeError);
  CHECK_THROWS_WITH(Shape({1, 1, 1, 1, 1, 1, 1}), "[Shape] expected at most 6 axes, got 7");
  const Tensor<float> empty(Shape{large, 0});
  CHECK(empty.size() == 0);
}

TEST_CASE("a tensor that finds no memory says how much it wanted") {
  CHECK_THROWS_AS(Tensor<float>(Shape{std::size_t{1} << 60}), MemoryError);
  CHECK_THROWS_WITH(Tensor<float>(Shape{std::size_t{1} << 60}),
                    Catch::Contains("cannot allocate 4611686018427387904 bytes"));
  CHECK_THROWS_WITH(Tensor<double>(Shape{std::size_t{1} << 62}),
                    Catch::Contains("cannot allocate 4611686018427387904 elements of 8 bytes"));
}
