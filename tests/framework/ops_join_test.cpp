#include <catch2/catch.hpp>

#include "ops_table.hpp"

namespace unroll::test {
namespace {

Reference joined(std::size_t axis) {
  return [axis](const Tensors& in) -> Tensors {
    Shape shape = in[0].shape();
    shape[axis] = 0;
    for (const auto& x : in) shape[axis] += x.shape()[axis];
    return {build(shape, [&](const Position& p) {
      Position q = p;
      std::size_t part = 0;
      while (q[axis] >= in[part].shape()[axis]) q[axis] -= in[part++].shape()[axis];
      // Not element(): a part of size 1 is not broadcast here, its only position is 0 already.
      return element(in[part], q);
    })};
  };
}

Reference stacked(std::size_t axis) {
  return [axis](const Tensors& in) -> Tensors {
    Shape shape = in[0].shape();
    shape.insert(shape.begin() + axis, in.size());
    return {build(shape, [&](const Position& p) {
      Position q = p;
      q.erase(q.begin() + static_cast<std::ptrdiff_t>(axis));
      return element(in[p[axis]], q);
    })};
  };
}

Reference cut(std::size_t axis, const std::vector<std::size_t>& sizes) {
  return [=](const Tensors& in) {
    Tensors pieces;
    std::size_t start = 0;
    for (std::size_t size : sizes) {
      Shape shape = in[0].shape();
      shape[axis] = size;
      pieces.push_back(build(shape, [&](const Position& p) {
        Position q = p;
        q[axis] += start;
        return element(in[0], q);
      }));
      start += size;
    }
    return pieces;
  };
}

Row concat_row() {
  Row row("concat");
  const auto first = [](const auto& v) { return concat(v, 0); };
  const auto last = [](const auto& v) { return concat(v, -1); };
  row.on(
      {{2, 3}, {4, 3}}, [](const auto& v) { return concat(v); }, joined(0));
  row.on({{2, 3}, {4, 3}, {1, 3}}, first, joined(0));
  row.on({{2, 3}, {2, 5}}, last, joined(1));
  row.on(
      {{2, 3, 4}, {2, 1, 4}, {2, 2, 4}}, [](const auto& v) { return concat(v, 1); }, joined(1));
  row.on({{3}, {19}}, first, joined(0));
  row.on({{0, 3}, {2, 3}}, first, joined(0));
  row.on({{2, 3}}, last, joined(1));
  // The same value twice: its gradient is the sum of both pieces.
  row.at({{1.0, 2.0}},
         [](const auto& v) {
           return concat(decltype(v){v[0], v[0] * 3.0});
         },
         {{1.0, 2.0, 3.0, 6.0}}, {{4.0, 4.0}});
  row.rejects(Kind::shape, {{2, 3}, {2, 4}}, first);
  row.rejects(Kind::shape, {{2, 3}, {3}}, first);
  row.rejects(Kind::shape, {{2, 3}, {2, 3}}, [](const auto& v) { return concat(v, 2); });
  row.rejects(Kind::shape, {{}, {}}, first);
  row.rejects(Kind::argument, {}, first);
  return row;
}

Row stack_row() {
  Row row("stack");
  const auto first = [](const auto& v) { return stack(v, 0); };
  row.on(
      {{2, 3}, {2, 3}}, [](const auto& v) { return stack(v); }, stacked(0));
  row.on(
      {{2, 3}, {2, 3}, {2, 3}, {2, 3}}, [](const auto& v) { return stack(v, 1); }, stacked(1));
  row.on(
      {{2, 3}, {2, 3}}, [](const auto& v) { return stack(v, 2); }, stacked(2));
  row.on(
      {{2, 3}, {2, 3}}, [](const auto& v) { return stack(v, -1); }, stacked(2));
  row.on(
      {{2, 3}, {2, 3}}, [](const auto& v) { return stack(v, -3); }, stacked(0));
  row.on({{}, {}, {}}, first, stacked(0));
  row.on({{5}}, first, stacked(0));
  row.rejects(Kind::shape, {{2, 3}, {2, 4}}, first);
  row.rejects(Kind::shape, {{2, 3}, {3}}, first);
  row.rejects(Kind::shape, {{2, 3}, {1, 3}}, first);
  row.rejects(Kind::shape, {{2}, {2}}, [](const auto& v) { return stack(v, 2); });
  row.rejects(Kind::argument, {}, first);
  return row;
}

Reference unbound(std::size_t axis) {
  return [axis](const Tensors& in) -> Tensors {
    Shape shape = in[0].shape();
    const std::size_t count = shape[axis];
    shape.erase(shape.begin() + axis);
    Tensors parts;
    for (std::size_t k = 0; k < count; ++k) {
      parts.push_back(build(shape, [&](const Position& p) {
        Position q = p;
        q.insert(q.begin() + static_cast<std::ptrdiff_t>(axis), k);
        return element(in[0], q);
      }));
    }
    return parts;
  };
}

Row unbind_row() {
  Row row("unbind");
  row.on(
      {{3, 2}}, [](const auto& v) { return unbind(v[0]); }, unbound(0));
  row.on(
      {{2, 3, 4}}, [](const auto& v) { return unbind(v[0], 1); }, unbound(1));
  row.on(
      {{2, 3, 4}}, [](const auto& v) { return unbind(v[0], -1); }, unbound(2));
  row.rejects(Kind::shape, {{2, 3}}, [](const auto& v) { return unbind(v[0], 2); });
  row.rejects(Kind::shape, {{}}, [](const auto& v) { return unbind(v[0]); });
  return row;
}

Row split_row() {
  Row row("split");
  row.on(
      {{6, 3}},
      [](const auto& v) {
        return split(v[0], {1, 3, 2});
      },
      cut(0, {1, 3, 2}));
  row.on(
      {{2, 7}},
      [](const auto& v) {
        return split(v[0], {4, 3}, -1);
      },
      cut(1, {4, 3}));
  row.on(
      {{2, 5, 3}},
      [](const auto& v) {
        return split(v[0], {2, 0, 3}, 1);
      },
      cut(1, {2, 0, 3}));
  row.on(
      {{4}}, [](const auto& v) { return split(v[0], {4}); }, cut(0, {4}));
  // A piece that nobody uses adds nothing to the gradient.
  row.at({{1.0, 2.0, 3.0}},
         [](const auto& v) {
           return split(v[0], {1, 2})[1];
         },
         {{2.0, 3.0}}, {{0.0, 1.0, 1.0}});
  for (const std::vector<Index>& bad : std::vector<std::vector<Index>>{{1, 2}, {3, 2}, {}}) {
    row.rejects(Kind::shape, {{4, 2}}, [bad](const auto& v) { return split(v[0], bad); });
  }
  row.rejects(Kind::argument, {{4}}, [](const auto& v) { return split(v[0], {5, -1}); });
  row.rejects(Kind::shape, {{4}}, [](const auto& v) { return split(v[0], {4}, 1); });
  return row;
}

Row chunk_row() {
  Row row("chunk");
  row.on(
      {{6, 2}}, [](const auto& v) { return chunk(v[0], 3); }, cut(0, {2, 2, 2}));
  row.on(
      {{2, 7}}, [](const auto& v) { return chunk(v[0], 3, -1); }, cut(1, {3, 3, 1}));
  row.on(
      {{2, 8, 3}}, [](const auto& v) { return chunk(v[0], 4, 1); }, cut(1, {2, 2, 2, 2}));
  row.on(
      {{5}}, [](const auto& v) { return chunk(v[0], 1); }, cut(0, {5}));
  row.on(
      {{5}}, [](const auto& v) { return chunk(v[0], 4); }, cut(0, {2, 2, 1}));  // as PyTorch's: fewer pieces
  row.rejects(Kind::argument, {{4}}, [](const auto& v) { return chunk(v[0], 0); });
  row.rejects(Kind::shape, {{4}}, [](const auto& v) { return chunk(v[0], 2, 1); });
  return row;
}

Row pad_row() {
  Row row("pad");
  const auto padded = [](std::size_t axis, std::size_t before, std::size_t after, double value) -> Reference {
    return [=](const Tensors& in) -> Tensors {
      Shape shape = in[0].shape();
      const std::size_t size = shape[axis];
      shape[axis] += before + after;
      return {build(shape, [&](const Position& p) {
        Position q = p;
        q[axis] -= before;  // wraps around in front, so that both sides are "beyond the size"
        return q[axis] < size ? element(in[0], q) : value;
      })};
    };
  };
  row.on(
      {{2, 3}}, [](const auto& v) { return pad(v[0], 0, 1, 2); }, padded(0, 1, 2, 0.0));
  row.on(
      {{2, 3}}, [](const auto& v) { return pad(v[0], -1, 2, 0, 0.75); }, padded(1, 2, 0, 0.75));
  row.on(
      {{2, 3, 4}}, [](const auto& v) { return pad(v[0], 1, 0, 1, -1.5); }, padded(1, 0, 1, -1.5));
  row.on(
      {{3}}, [](const auto& v) { return pad(v[0], 0, 0, 0); }, padded(0, 0, 0, 0.0));
  row.on(
      {{0, 2}}, [](const auto& v) { return pad(v[0], 0, 1, 1, 0.5); }, padded(0, 1, 1, 0.5));
  row.rejects(Kind::shape, {{2, 3}}, [](const auto& v) { return pad(v[0], 2, 1, 1); });
  row.rejects(Kind::argument, {{2, 3}}, [](const auto& v) { return pad(v[0], 0, -1, 1); });
  return row;
}

}  // namespace

std::vector<Row> join_rows() {
  return {concat_row(), stack_row(), split_row(), unbind_row(), chunk_row(), pad_row()};
}

TEST_CASE("every joining and cutting op has the right value, gradients and errors") {
  for (const Row& row : join_rows()) {
    DYNAMIC_SECTION(row.name) { check(row); }
  }
}

}  // namespace unroll::test
