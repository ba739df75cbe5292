#include <algorithm>
#include <catch2/catch.hpp>

#include "ops_table.hpp"

namespace unroll::test {
namespace {

// These positions of one axis, in this order.
Reference picked(std::size_t axis, const std::vector<std::size_t>& positions) {
  return [=](const Tensors& in) -> Tensors {
    Shape shape = in[0].shape();
    shape[axis] = positions.size();
    return moved(shape, [&](const Position& p) {
      Position q = p;
      q[axis] = positions[p[axis]];
      return q;
    })(in);
  };
}

Row slice_row() {
  Row row("slice");
  const auto cut = [&row](const Shape& shape, Index axis, Range range, std::size_t real_axis,
                          const std::vector<std::size_t>& positions) {
    row.on(
        {shape}, [=](const auto& v) { return slice(v[0], axis, range); }, picked(real_axis, positions));
  };
  cut({7, 2}, 0, {}, 0, {0, 1, 2, 3, 4, 5, 6});
  cut({7, 2}, 0, {2, 5}, 0, {2, 3, 4});
  cut({2, 7}, 1, {1, 6, 2}, 1, {1, 3, 5});
  cut({2, 7}, -1, {-3, {}}, 1, {4, 5, 6});
  cut({2, 7, 3}, 1, {{}, -2}, 1, {0, 1, 2, 3, 4});
  cut({2, 7, 3}, 1, {{}, {}, -1}, 1, {6, 5, 4, 3, 2, 1, 0});
  cut({7}, 0, {5, 1, -2}, 0, {5, 3});
  cut({7}, 0, {-2, {}, -3}, 0, {5, 2});
  // Python clips ends that lie outside, and an interval that runs the wrong way is empty.
  cut({7}, 0, {-100, 3}, 0, {0, 1, 2});
  cut({7}, 0, {4, 100}, 0, {4, 5, 6});
  cut({7}, 0, {100, {}, -2}, 0, {6, 4, 2, 0});
  cut({7}, 0, {3, -100, -1}, 0, {3, 2, 1, 0});
  cut({7, 2}, 0, {5, 2}, 0, {});
  cut({7, 2}, 0, {2, 5, -1}, 0, {});
  cut({7, 2}, 0, {100, 200}, 0, {});
  cut({7}, 0, {0, 7, 100}, 0, {0});
  row.rejects(Kind::argument, {{7}}, [](const auto& v) { return slice(v[0], 0, {0, 3, 0}); });
  row.rejects(Kind::shape, {{7}}, [](const auto& v) { return slice(v[0], 1, {0, 3}); });
  return row;
}

Row select_row() {
  Row row("select");
  const auto at = [](std::size_t axis, std::size_t position) -> Reference {
    return [=](const Tensors& in) -> Tensors {
      Shape shape = in[0].shape();
      shape.erase(shape.begin() + axis);
      return moved(shape, [&](const Position& p) {
        Position q = p;
        q.insert(q.begin() + static_cast<std::ptrdiff_t>(axis), position);
        return q;
      })(in);
    };
  };
  row.on(
      {{4, 3}}, [](const auto& v) { return select(v[0], 0, 2); }, at(0, 2));
  row.on(
      {{2, 4, 3}}, [](const auto& v) { return select(v[0], 1, -1); }, at(1, 3));
  row.on(
      {{2, 4, 3}}, [](const auto& v) { return select(v[0], -1, 0); }, at(2, 0));
  row.on(
      {{5}}, [](const auto& v) { return select(v[0], 0, -5); }, at(0, 0));
  for (Index bad : {4, -5}) {
    row.rejects(Kind::shape, {{4, 3}}, [bad](const auto& v) { return select(v[0], 0, bad); });
  }
  row.rejects(Kind::shape, {{4, 3}}, [](const auto& v) { return select(v[0], 2, 0); });
  row.rejects(Kind::shape, {{}}, [](const auto& v) { return select(v[0], 0, 0); });
  return row;
}

Row index_select_row() {
  Row row("index_select");
  const auto pick = [](Index axis, const std::vector<std::int64_t>& which) {
    return [=](const auto& v) { return index_select(v[0], axis, indices({which.size()}, which)); };
  };
  row.on({{4, 3}}, pick(0, {2, 0, 2, 2, 3}), picked(0, {2, 0, 2, 2, 3}));
  row.on({{2, 4, 3}}, pick(1, {3, 1}), picked(1, {3, 1}));
  row.on({{2, 5}}, pick(-1, {4, 4, 0}), picked(1, {4, 4, 0}));
  row.on({{4, 3}}, pick(0, {}), picked(0, {}));
  row.rejects(Kind::shape, {{4, 3}}, pick(0, {0, 4}));
  row.rejects(Kind::shape, {{4, 3}}, pick(0, {-5}));
  row.rejects(Kind::shape, {{4, 3}}, pick(2, {0}));
  row.rejects(Kind::shape, {{4, 3}}, [](const auto& v) {
    return index_select(v[0], 0, indices({1, 2}, {0, 1}));
  });
  return row;
}

std::size_t id_at(const IndexTensor& ids, const Position& p) {
  return static_cast<std::size_t>(element(convert_tensor<double>(ids), p));
}

Row gather_row() {
  Row row("gather");
  const auto gathered = [&row](const Shape& shape, Index axis, std::size_t real_axis,
                               const IndexTensor& ids) {
    row.on(
        {shape}, [=](const auto& v) { return gather(v[0], axis, ids); },
        moved(ids.shape(), [=](const Position& p) {
          Position q = p;
          q[real_axis] = id_at(ids, p);
          return q;
        }));
  };
  gathered({3, 4}, 1, 1, indices({3, 2}, {0, 3, 1, 1, 2, 0}));
  gathered({3, 4}, 0, 0, indices({2, 4}, {2, 2, 0, 1, 2, 1, 1, 0}));
  gathered({2, 3, 2}, -2, 1, indices({2, 4, 2}, {0, 1, 2, 2, 1, 0, 0, 0, 2, 2, 1, 1, 0, 1, 2, 0}));
  gathered({3, 4}, 1, 1, indices({2, 1}, {3, 2}));  // smaller off the axis
  gathered({5}, 0, 0, indices({3}, {4, 4, 1}));
  const auto with = [](Index axis, const IndexTensor& ids) {
    return [=](const auto& v) { return gather(v[0], axis, ids); };
  };
  row.rejects(Kind::shape, {{3, 4}}, with(1, indices({3, 1}, {0, 4, 0})));
  row.rejects(Kind::shape, {{3, 4}}, with(1, indices({3, 1}, {0, -5, 0})));
  row.rejects(Kind::shape, {{3, 4}}, with(1, indices({4, 1}, {0, 0, 0, 0})));
  row.rejects(Kind::shape, {{3, 4}}, with(1, indices({3}, {0, 0, 0})));
  row.rejects(Kind::shape, {{3, 4}}, with(2, indices({3, 1}, {0, 0, 0})));
  return row;
}

Row scatter_add_row() {
  Row row("scatter_add");
  const auto scattered = [&row](const Shape& shape, Index axis, std::size_t real_axis,
                                const IndexTensor& ids) {
    row.on(
        {shape, ids.shape()}, [=](const auto& v) { return scatter_add(v[0], axis, ids, v[1]); },
        [=](const Tensors& in) -> Tensors {
          return {build(in[0].shape(), [&](const Position& p) {
            double result = element(in[0], p);
            build(ids.shape(), [&](const Position& q) {
              Position target = q;
              target[real_axis] = id_at(ids, q);
              if (target == p) result += element(in[1], q);
              return 0.0;
            });
            return result;
          })};
        });
  };
  scattered({3, 4}, 1, 1, indices({3, 2}, {0, 3, 1, 1, 2, 0}));
  scattered({3, 4}, 0, 0, indices({2, 4}, {2, 2, 0, 1, 2, 1, 1, 0}));
  scattered({2, 3, 2}, -2, 1, indices({2, 4, 2}, {0, 1, 2, 2, 1, 0, 0, 0, 2, 2, 1, 1, 0, 1, 2, 0}));
  scattered({3, 4}, 1, 1, indices({2, 1}, {3, 2}));
  scattered({5}, 0, 0, indices({3}, {4, 4, 1}));
  const auto with = [](Index axis, const IndexTensor& ids) {
    return [=](const auto& v) { return scatter_add(v[0], axis, ids, v[1]); };
  };
  row.rejects(Kind::shape, {{3, 4}, {3, 1}}, with(1, indices({3, 1}, {0, 4, 0})));
  row.rejects(Kind::shape, {{3, 4}, {3, 2}}, with(1, indices({3, 1}, {0, 0, 0})));
  row.rejects(Kind::shape, {{3, 4}, {4, 1}}, with(1, indices({4, 1}, {0, 0, 0, 0})));
  row.rejects(Kind::shape, {{3, 4}, {3}}, with(1, indices({3}, {0, 0, 0})));
  row.rejects(Kind::shape, {{3, 4}, {3, 1}}, with(2, indices({3, 1}, {0, 0, 0})));
  return row;
}

Row flip_row() {
  Row row("flip");
  const auto reversed = [](const Shape& shape, const std::vector<std::size_t>& axes) {
    return moved(shape, [=](const Position& p) {
      Position q = p;
      for (std::size_t axis : axes) q[axis] = shape[axis] - 1 - p[axis];
      return q;
    });
  };
  row.on(
      {{4, 3}}, [](const auto& v) { return flip(v[0], {0}); }, reversed({4, 3}, {0}));
  row.on(
      {{2, 4, 3}}, [](const auto& v) { return flip(v[0], {1}); }, reversed({2, 4, 3}, {1}));
  row.on(
      {{2, 19}}, [](const auto& v) { return flip(v[0], {-1}); }, reversed({2, 19}, {1}));
  row.on(
      {{2, 4, 3}},
      [](const auto& v) {
        return flip(v[0], {2, 0});
      },
      reversed({2, 4, 3}, {0, 2}));
  row.on(
      {{0, 3}}, [](const auto& v) { return flip(v[0], {0}); }, reversed({0, 3}, {0}));
  row.rejects(Kind::shape, {{2, 3}}, [](const auto& v) { return flip(v[0], {2}); });
  row.rejects(Kind::shape, {{2, 3}}, [](const auto& v) { return flip(v[0], {1, -1}); });
  return row;
}

Row masked_fill_row() {
  Row row("masked_fill");
  const auto filled = [&row](const Shape& shape, const Mask& m, double value) {
    row.on(
        {shape}, [=](const auto& v) { return masked_fill(v[0], m, value); },
        [=](const Tensors& in) -> Tensors {
          const Tensor<double> numbers = convert_tensor<double>(m);
          return {build(shape, [&](const Position& p) {
            return element(numbers, p) != 0.0 ? value : element(in[0], p);
          })};
        });
  };
  filled({2, 3}, mask({2, 3}, {1, 0, 0, 1, 1, 0}), 0.625);
  filled({2, 3}, mask({3}, {0, 1, 0}), -2.0);
  filled({4, 2, 3}, mask({2, 1}, {0, 1}), 0.0);
  filled({2, 3}, mask({}, {0}), 1.0);
  const auto hide_first = [](const auto& v) { return masked_fill(v[0], mask({3}, {1, 0, 0}), -kInf); };
  row.at({{kNaN, 2.0, 3.0}}, hide_first, {{-kInf, 2.0, 3.0}}, {{0.0, 1.0, 1.0}});
  row.rejects(Kind::shape, {{2, 3}}, [](const auto& v) { return masked_fill(v[0], mask({2}, {1, 0}), 0.0); });
  // The mask is broadcast to x, not x to the mask.
  row.rejects(Kind::shape, {{3}}, [](const auto& v) {
    return masked_fill(v[0], mask({2, 3}, {1, 0, 0, 1, 0, 0}), 0.0);
  });
  return row;
}

Row embedding_row() {
  Row row("embedding");
  const auto looked_up = [](const IndexTensor& ids, std::size_t width) {
    Shape shape = ids.shape();
    shape.push_back(width);
    return moved(shape, [ids](const Position& p) {
      return Position{id_at(ids, Position(p.begin(), p.end() - 1)), p.back()};
    });
  };
  for (const IndexTensor& ids :
       {indices({3, 2}, {4, 0, 4, 1, 1, 4}), indices({3}, {2, 2, 0}), indices({}, {3}), indices({0}, {})}) {
    row.on(
        {{5, 3}}, [ids](const auto& v) { return embedding(v[0], ids); }, looked_up(ids, 3));
  }
  // The padding row is looked up like any other, and learns nothing.
  const auto padded = [](const auto& v) { return embedding(v[0], indices({3}, {1, 0, 1}), 1); };
  row.at({Tensor<double>{{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}}}, padded,
         {Tensor<double>{{3.0, 4.0}, {1.0, 2.0}, {3.0, 4.0}}},
         {Tensor<double>{{1.0, 1.0}, {0.0, 0.0}, {0.0, 0.0}}});
  row.rejects(Kind::shape, {{5, 3}}, [](const auto& v) { return embedding(v[0], indices({2}, {0, 5})); });
  row.rejects(Kind::shape, {{5, 3}}, [](const auto& v) { return embedding(v[0], indices({2}, {-1, 0})); });
  row.rejects(Kind::shape, {{5}}, [](const auto& v) { return embedding(v[0], indices({2}, {0, 1})); });
  row.rejects(Kind::shape, {{5, 3}}, [](const auto& v) { return embedding(v[0], indices({2}, {0, 1}), 5); });
  return row;
}

}  // namespace

std::vector<Row> index_rows() {
  return {slice_row(),       select_row(), index_select_row(), gather_row(),
          scatter_add_row(), flip_row(),   masked_fill_row(),  embedding_row()};
}

TEST_CASE("every indexing op has the right value, gradients and errors") {
  for (const Row& row : index_rows()) {
    DYNAMIC_SECTION(row.name) { check(row); }
  }
}

}  // namespace unroll::test
