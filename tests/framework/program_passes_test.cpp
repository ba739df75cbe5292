// The passes over a program's instructions, on small lists made by hand.
#include <catch2/catch.hpp>

#include "framework/program/passes.hpp"

using namespace unroll;
using namespace unroll::detail;

namespace {

using Op = Instruction<double>;
const auto& table() { return kernel::pointwise<double>(); }

Op unary(int in, int out, kernel::Pointwise<double>::Unary f) {
  return {.kind = Kind::unary, .inputs = {in}, .output = out, .unary = f};
}
Op add(int a, int b, int out) {
  return {.kind = Kind::binary, .inputs = {a, b}, .output = out, .binary = table().add};
}
Op product(int x, int weight, int out) {
  return {.kind = Kind::product, .inputs = {x, weight}, .output = out};
}

struct Lists {
  std::vector<int> next, gradients;
  StepCode<double> code(std::vector<Op> list, std::size_t step_size) {
    return {std::move(list), step_size, &next, &gradients};
  }
};

const AboutTwo kYes = [](int, int) { return true; };

}  // namespace

TEST_CASE("equal instructions of one half are one, and what reads the second reads the first") {
  Lists lists{{6}, {8}};
  // 0 and 1 are rows; the step is 4 instructions.
  auto code = lists.code({unary(0, 2, table().tanh), unary(1, 3, table().tanh), unary(0, 4, table().tanh),
                          add(2, 4, 6), unary(0, 7, table().tanh), unary(0, 8, table().tanh)},
                         4);
  merge_equal(code);
  CHECK(code.list[3].inputs == PooledVector<int>{2, 2});
  CHECK(lists.gradients == std::vector<int>{7});  // not that of the step, which is not kept for it
  drop_unused(code);
  CHECK(code.step_size == 2);
  REQUIRE(code.list.size() == 3);
  CHECK(code.list[0].output == 2);
  CHECK(code.list[1].output == 6);
  CHECK(code.list[2].output == 7);
}

TEST_CASE("instructions are equal in all that they do") {
  Lists lists{{3, 4, 5, 6, 7, 8}, {}};
  auto cut = [](std::size_t first, int out) {
    return Op{.kind = Kind::cut, .inputs = {0}, .output = out, .first = first};
  };
  Op with_constant{
      .kind = Kind::unary, .inputs = {0}, .output = 5, .unary1 = table().times, .constant = {2.0}};
  Op another = with_constant;
  another.output = 6;
  another.constant[0] = 3.0;
  Op wider = cut(0, 8);
  wider.columns = 2;
  auto code = lists.code({cut(0, 3), cut(4, 4), with_constant, another, unary(0, 7, table().exp), wider}, 6);
  merge_equal(code);
  CHECK(lists.next == std::vector<int>{3, 4, 5, 6, 7, 8});
}

TEST_CASE("a result of rows that nothing computes stays") {
  Lists lists{{0}, {-1, 1}};
  auto code = lists.code({unary(0, 2, table().tanh)}, 1);
  merge_equal(code);
  drop_unused(code);
  CHECK(code.list.empty());
  CHECK(lists.next == std::vector<int>{0});
  CHECK(lists.gradients == std::vector<int>{-1, 1});
}

TEST_CASE("a product that is only added to rows adds them itself") {
  Lists lists{{4}, {}};
  // 0 and 1 are rows, 2 a weight.
  auto code = lists.code({product(0, 2, 3), unary(1, 5, table().tanh), add(3, 5, 4)}, 3);
  add_into_products(code, kYes, kYes);
  REQUIRE(code.list.size() == 2);
  CHECK(code.step_size == 2);
  CHECK(code.list[1].kind == Kind::product);
  CHECK(code.list[1].adds);
  CHECK(code.list[1].inputs == PooledVector<int>{0, 2, 5});
  CHECK(code.list[1].output == 4);
}

TEST_CASE("of two products that are added the later one adds the other") {
  Lists lists{{5}, {}};
  auto code = lists.code({product(0, 2, 3), product(1, 2, 4), add(3, 4, 5)}, 3);
  add_into_products(code, kYes, kYes);
  REQUIRE(code.list.size() == 2);
  CHECK_FALSE(code.list[0].adds);
  CHECK(code.list[1].inputs == PooledVector<int>{1, 2, 3});
}

TEST_CASE("a product stays that others read, of another phase, or with rows of another size") {
  const std::vector<Op> list{product(0, 2, 3), add(3, 1, 4)};
  const auto size_after = [&](std::vector<int> next, const AboutTwo& alike, const AboutTwo& together) {
    Lists lists{std::move(next), {}};
    auto code = lists.code(list, 2);
    add_into_products(code, alike, together);
    return code.list.size();
  };
  const AboutTwo no = [](int, int) { return false; };
  CHECK(size_after({4}, kYes, kYes) == 1);
  CHECK(size_after({4, 3}, kYes, kYes) == 2);
  CHECK(size_after({4}, no, kYes) == 2);
  CHECK(size_after({4}, kYes, no) == 2);
}
