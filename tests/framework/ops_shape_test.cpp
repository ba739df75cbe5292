#include <catch2/catch.hpp>
#include <numeric>

#include "ops_table.hpp"

namespace unroll::test {
namespace {

// The same elements in row-major order under another shape.
Reference reshaped(const Shape& shape) {
  return [shape](const Tensors& in) -> Tensors {
    std::size_t next = 0;
    return {build(shape, [&](const Position&) { return in[0].data()[next++]; })};
  };
}

// order[i] is the axis of the input that becomes axis i.
Reference permuted(const std::vector<std::size_t>& order) {
  return [order](const Tensors& in) -> Tensors {
    Shape shape;
    for (std::size_t axis : order) shape.push_back(in[0].shape()[axis]);
    return moved(shape, [&](const Position& p) {
      Position q(p.size());
      for (std::size_t i = 0; i < p.size(); ++i) q[order[i]] = p[i];
      return q;
    })(in);
  };
}

Row reshape_row() {
  Row row("reshape");
  const auto to = [&row](const Shape& from, const std::vector<Index>& shape, const Shape& result) {
    row.on(
        {from}, [shape](const auto& v) { return reshape(v[0], shape); }, reshaped(result));
  };
  to({2, 3, 4}, {6, 4}, {6, 4});
  to({2, 3, 4}, {-1, 2}, {12, 2});
  to({2, 3, 4}, {4, -1, 3}, {4, 2, 3});
  to({2, 3, 4}, {-1}, {24});
  to({2, 3}, {2, 3}, {2, 3});
  to({1, 1}, {}, {});
  to({}, {1, -1}, {1, 1});
  to({0, 3}, {3, 0}, {3, 0});
  to({2, 3}, {1, 1, 1, 1, 2, 3}, {1, 1, 1, 1, 2, 3});
  for (const std::vector<Index>& bad :
       std::vector<std::vector<Index>>{{5}, {4, -1}, {-1, -1}, {2, -2}, {}, {0, -1}}) {
    row.rejects(Kind::shape, {{2, 3}}, [bad](const auto& v) { return reshape(v[0], bad); });
  }
  return row;
}

Row permute_row() {
  Row row("permute");
  const auto by = [&row](const Shape& shape, const std::vector<Index>& order,
                         const std::vector<std::size_t>& axes) {
    row.on(
        {shape}, [order](const auto& v) { return permute(v[0], order); }, permuted(axes));
  };
  by({2, 3, 4}, {2, 0, 1}, {2, 0, 1});
  by({2, 3, 4}, {1, 2, 0}, {1, 2, 0});
  by({2, 3, 4}, {0, 1, 2}, {0, 1, 2});
  by({2, 3, 4}, {-1, -3, -2}, {2, 0, 1});
  by({2, 3, 1, 5}, {3, 1, 0, 2}, {3, 1, 0, 2});
  by({37, 19}, {1, 0}, {1, 0});
  by({}, {}, {});
  by({0, 3}, {1, 0}, {1, 0});
  for (const std::vector<Index>& bad :
       std::vector<std::vector<Index>>{{0, 1}, {0, 1, 1}, {0, 1, 3}, {0, 1, -2}, {0, 1, 2, 3}}) {
    row.rejects(Kind::shape, {{2, 3, 4}}, [bad](const auto& v) { return permute(v[0], bad); });
  }
  return row;
}

Row transpose_row() {
  Row row("transpose");
  row.on(
      {{3, 5}}, [](const auto& v) { return transpose(v[0]); }, permuted({1, 0}));
  row.on(
      {{2, 3, 4}}, [](const auto& v) { return transpose(v[0]); }, permuted({0, 2, 1}));
  row.on(
      {{2, 3, 4}}, [](const auto& v) { return transpose(v[0], 0, 2); }, permuted({2, 1, 0}));
  row.on(
      {{2, 3, 4}}, [](const auto& v) { return transpose(v[0], -2, 0); }, permuted({1, 0, 2}));
  row.on(
      {{2, 3}}, [](const auto& v) { return transpose(v[0], 1, 1); }, permuted({0, 1}));
  row.rejects(Kind::shape, {{3}}, [](const auto& v) { return transpose(v[0]); });
  row.rejects(Kind::shape, {{3, 4}}, [](const auto& v) { return transpose(v[0], 0, 2); });
  return row;
}

Row squeeze_row() {
  Row row("squeeze");
  row.on(
      {{1, 3, 1, 2}}, [](const auto& v) { return squeeze(v[0]); }, reshaped({3, 2}));
  row.on(
      {{1, 3, 1, 2}}, [](const auto& v) { return squeeze(v[0], {0}); }, reshaped({3, 1, 2}));
  row.on(
      {{1, 3, 1, 2}}, [](const auto& v) { return squeeze(v[0], {-2}); }, reshaped({1, 3, 2}));
  row.on(
      {{1, 3, 1, 2}},
      [](const auto& v) {
        return squeeze(v[0], {2, 0});
      },
      reshaped({3, 2}));
  row.on(
      {{3, 2}}, [](const auto& v) { return squeeze(v[0]); }, reshaped({3, 2}));
  row.on(
      {{1, 1}}, [](const auto& v) { return squeeze(v[0]); }, reshaped({}));
  row.rejects(Kind::shape, {{1, 3}}, [](const auto& v) { return squeeze(v[0], {1}); });
  row.rejects(Kind::shape, {{1, 3}}, [](const auto& v) { return squeeze(v[0], {2}); });
  row.rejects(Kind::shape, {{1, 3}}, [](const auto& v) { return squeeze(v[0], {0, -2}); });
  return row;
}

Row unsqueeze_row() {
  Row row("unsqueeze");
  row.on(
      {{3, 2}}, [](const auto& v) { return unsqueeze(v[0], 0); }, reshaped({1, 3, 2}));
  row.on(
      {{3, 2}}, [](const auto& v) { return unsqueeze(v[0], 1); }, reshaped({3, 1, 2}));
  row.on(
      {{3, 2}}, [](const auto& v) { return unsqueeze(v[0], 2); }, reshaped({3, 2, 1}));
  row.on(
      {{3, 2}}, [](const auto& v) { return unsqueeze(v[0], -1); }, reshaped({3, 2, 1}));
  row.on(
      {{3, 2}}, [](const auto& v) { return unsqueeze(v[0], -3); }, reshaped({1, 3, 2}));
  row.on(
      {{}}, [](const auto& v) { return unsqueeze(v[0], 0); }, reshaped({1}));
  row.rejects(Kind::shape, {{3, 2}}, [](const auto& v) { return unsqueeze(v[0], 3); });
  row.rejects(Kind::shape, {{3, 2}}, [](const auto& v) { return unsqueeze(v[0], -4); });
  row.rejects(Kind::shape, {{1, 2, 1, 2, 1, 2}},
              [](const auto& v) { return unsqueeze(v[0], 0); });  // a 7th axis
  return row;
}

Row broadcast_to_row() {
  Row row("broadcast_to");
  for (const auto& [from, to] : std::vector<std::pair<Shape, Shape>>{{{4}, {3, 4}},
                                                                     {{3, 1}, {3, 4}},
                                                                     {{}, {2, 3}},
                                                                     {{1, 3, 1}, {2, 3, 5}},
                                                                     {{2, 1, 3}, {4, 2, 5, 3}},
                                                                     {{2, 3}, {2, 3}},
                                                                     {{1}, {0}},
                                                                     {{1, 3}, {0, 3}}}) {
    row.on(
        {from}, [shape = to](const auto& v) { return broadcast_to(v[0], shape); },
        moved(to, [](const Position& p) { return p; }));
  }
  row.rejects(Kind::shape, {{3}}, [](const auto& v) { return broadcast_to(v[0], {3, 4}); });
  row.rejects(Kind::shape, {{2, 3}}, [](const auto& v) { return broadcast_to(v[0], {3}); });
  row.rejects(Kind::shape, {{3}}, [](const auto& v) { return broadcast_to(v[0], {1}); });
  return row;
}

}  // namespace

std::vector<Row> shape_rows() {
  return {reshape_row(), permute_row(), transpose_row(), squeeze_row(), unsqueeze_row(), broadcast_to_row()};
}

TEST_CASE("every shape op has the right value, gradients and errors") {
  for (const Row& row : shape_rows()) {
    DYNAMIC_SECTION(row.name) { check(row); }
  }
}

}  // namespace unroll::test
