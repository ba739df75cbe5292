// Seeds 001 and 004: RNN and LSTM over columns (features,examples,T) with a softmax at every step.
#include <fmt/format.h>

#include "layers/losses.hpp"
#include "registry.hpp"
#include "seeds/seed_layers.hpp"

namespace unroll::oracle {
namespace {

struct Sizes {
  std::size_t n_x, m, steps, n_a, n_y;
  bool cell;  // one step: arrays have no time axis, and names of their own
};

Sizes read_sizes(Fixture& fixture, bool cell) {
  const Sizes sizes{fixture.get<std::size_t>("n_x"), fixture.get<std::size_t>("m"),
                    fixture.get<std::size_t>("T_x"), fixture.get<std::size_t>("n_a"),
                    fixture.get<std::size_t>("n_y"), fixture.get_or("cell", cell)};
  if (sizes.cell != cell) throw FixtureError(fmt::format("config.cell: expected {} for this system", cell));
  if (cell && sizes.steps != 1) throw FixtureError("config.T_x: expected 1 for a cell");
  return sizes;
}

// Names and shapes of the arrays that a cell and a sequence call differently.
struct Layout {
  Sizes sizes;
  std::string x, a0, c0, a, c, y;

  Shape shape(std::size_t features) const {
    return sizes.cell ? Shape{features, sizes.m} : Shape{features, sizes.m, sizes.steps};
  }
  // (features,m) or (features,m,T) -> (T,m,features), and back.
  Var<double> to_steps(const Var<double>& columns) const {
    return seeds::swap_columns_and_steps(sizes.cell ? unsqueeze(columns, 2) : columns);
  }
  Var<double> to_columns(const Var<double>& steps) const {
    const Var<double> columns = seeds::swap_columns_and_steps(steps);
    return sizes.cell ? squeeze(columns, {2}) : columns;
  }
};

Layout layout_of(const Sizes& sizes, const char* y) {
  if (sizes.cell) return {sizes, "xt", "a_prev", "c_prev", "a_next", "c_next", "yt_pred"};
  return {sizes, "x", "a0", "c0", "a", "c", y};
}

// Labels (m) or (m,T) in the order of (T,m) rows.
IndexTensor labels_by_step(Fixture& fixture, const Sizes& sizes) {
  want_shape(fixture, "inputs/labels", sizes.cell ? Shape{sizes.m} : Shape{sizes.m, sizes.steps});
  const IndexTensor labels = fixture.array("inputs/labels").indices();
  IndexTensor result(Shape{sizes.steps * sizes.m});
  for (std::size_t t = 0; t < sizes.steps; ++t) {
    for (std::size_t j = 0; j < sizes.m; ++j)
      result.data()[t * sizes.m + j] = labels.data()[j * sizes.steps + t];
  }
  return result;
}

// The leaves of one run, by name: parameters, input and initial states.
class Leaves {
 public:
  explicit Leaves(Fixture& fixture) : fixture_(fixture) {}
  const Var<double>& param(const std::string& name, const Shape& shape) {
    return add("params/", name, shape);
  }
  const Var<double>& input(const std::string& name, const Shape& shape) {
    return add("inputs/", name, shape);
  }
  void compare_gradients(Comparison& compare) const {
    for (const auto& [name, var] : vars_) compare.equal("grads/" + name, gradient(var));
  }

 private:
  const Var<double>& add(const char* group, const std::string& name, const Shape& shape) {
    want_shape(fixture_, group + name, shape);
    return vars_[name] = leaf(fixture_, group + name);
  }
  Fixture& fixture_;
  std::map<std::string, Var<double>> vars_;
};

struct Readout {
  Var<double> y;     // columns
  Var<double> loss;  // mean cross-entropy of the labels, if there are any, plus sum(da a)
};

// yhat = softmax(Wy a + by) of every step.
Readout read_out(Fixture& fixture, Leaves& leaves, const Layout& layout, const std::string& weight,
                 const Var<double>& hidden) {
  const Sizes& s = layout.sizes;
  const Var<double> w = leaves.param(weight, {s.n_y, s.n_a});
  const Var<double> b = reshape(leaves.param("by", {s.n_y, 1}), {-1});
  const Var<double> logits = linear(hidden, w, b);
  Readout result{layout.to_columns(softmax(logits)), Var<double>(zeros<double>({}))};
  if (fixture.has("inputs/labels")) {
    const Var<double> rows = reshape(logits, {-1, static_cast<Index>(s.n_y)});
    result.loss = result.loss + cross_entropy(rows, labels_by_step(fixture, s));
  } else if (fixture.loss().find("label") != std::string::npos) {
    throw FixtureError("inputs/labels is missing, which the loss needs");
  }
  if (has_upstream(fixture, "da")) {
    want_shape(fixture, "cotangents/da", layout.shape(s.n_a));
    const Var<double> da = Var<double>(fixture.tensor("cotangents/da"));
    result.loss = result.loss + sum(da * layout.to_columns(hidden));
  }
  return result;
}

// What 001 and 004 keep for the way back: (caches, x) of a sequence; a tuple of ten of an LSTM step.
Printed printed_arrays(const Layout& layout, const Tensor<double>& x, const Tensor<double>& a,
                       const Tensor<double>& y) {
  Printed printed{{layout.a, a}, {layout.y, y}};
  if (layout.sizes.cell) return printed;
  printed["caches[1]"] = x;
  printed["len(caches) = "] = " 2";
  return printed;
}

// caches[1][1[1]], as 004 has it, is caches[1][1][1]: x of feature 1, example 1.
void add_misprinted_label(Printed& printed, const Tensor<double>& x) {
  if (x.dimension() != 3 || x.shape()[0] < 2 || x.shape()[1] < 2) return;
  const Var<double> row = select(select(Var<double>(x), 0, 1), 0, 1);
  printed["caches[1][1[1]]"] = row.value();
}

Handler rnn_handler(bool cell) {
  return [cell](Fixture& fixture, Check& check) {
    const Sizes s = read_sizes(fixture, cell);
    const Layout layout = layout_of(s, "y_pred");
    check.both_paths([&](Comparison& compare, Path path) {
      Leaves leaves(fixture);
      Tape tape;
      const Var<double> x = leaves.input(layout.x, layout.shape(s.n_x));
      const Var<double> a0 = leaves.input(layout.a0, {s.n_a, s.m});
      const auto rnn = seeds::make_rnn(
          seeds::gate_from_columns(leaves.param("Wax", {s.n_a, s.n_x}), leaves.param("Waa", {s.n_a, s.n_a}),
                                   leaves.param("ba", {s.n_a, 1})),
          {.path = path});
      const auto hidden = rnn(layout.to_steps(x), {.states = {transpose(a0)}, .lengths = {}}).output;
      const Readout readout = read_out(fixture, leaves, layout, "Wya", hidden);
      const Var<double> a = layout.to_columns(hidden);
      compare.equal("outputs/" + layout.a, a);
      compare.equal("outputs/" + layout.y, readout.y);
      compare.equal("outputs/loss", readout.loss);
      compare.published(printed_arrays(layout, x.value(), a.value(), readout.y.value()));
      tape.backward(readout.loss);
      leaves.compare_gradients(compare);
    });
  };
}

void check_lstm(Fixture& fixture, Check& check, const Layout& layout,
                const std::function<void(Printed&)>& more) {
  const Sizes& s = layout.sizes;
  check.both_paths([&](Comparison& compare, Path path) {
    Leaves leaves(fixture);
    Tape tape;
    const Var<double> x = leaves.input(layout.x, layout.shape(s.n_x));
    const Var<double> h0 = transpose(leaves.input(layout.a0, {s.n_a, s.m}));
    const Var<double> c0 = transpose(leaves.input(layout.c0, {s.n_a, s.m}));
    const auto gate = [&](const std::string& name) {
      return seeds::gate_from_joined_columns(leaves.param("W" + name, {s.n_a, s.n_a + s.n_x}),
                                             leaves.param("b" + name, {s.n_a, 1}));
    };
    const auto lstm =
        seeds::make_lstm({.f = gate("f"), .i = gate("i"), .o = gate("o"), .c = gate("c")}, {.path = path});
    const Var<double> steps = layout.to_steps(x);
    const auto result = lstm(steps, {.states = {{h0, c0}}, .lengths = {}});
    Readout readout = read_out(fixture, leaves, layout, "Wy", result.output);
    if (has_upstream(fixture, "dc_last")) {
      want_shape(fixture, "cotangents/dc_last", {s.n_a, s.m});
      const Var<double> dc = Var<double>(fixture.tensor("cotangents/dc_last"));
      readout.loss = readout.loss + sum(dc * transpose(result.states[0].c));
    }
    const Var<double> a = layout.to_columns(result.output);
    const Tensor<double> cells = seeds::cell_states(lstm, steps.value(), h0.value(), c0.value());
    const Var<double> c = layout.to_columns(Var<double>(cells));
    compare.equal("outputs/" + layout.a, a);
    compare.equal("outputs/" + layout.c, c);
    compare.equal("outputs/" + layout.y, readout.y);
    compare.equal("outputs/loss", readout.loss);
    Printed printed = printed_arrays(layout, x.value(), a.value(), readout.y.value());
    printed[layout.c] = c.value();
    if (s.cell) {
      printed["yt"] = readout.y.value();  // 004 calls it so in the LSTM cell
      printed["cache[1]"] = c.value();
      printed["len(cache) = "] = " 10";
    } else {
      add_misprinted_label(printed, x.value());
    }
    more(printed);
    compare.published(printed);
    tape.backward(readout.loss);
    leaves.compare_gradients(compare);
  });
}

Handler lstm_handler(bool cell) {
  return [cell](Fixture& fixture, Check& check) {
    check_lstm(fixture, check, layout_of(read_sizes(fixture, cell), "y"), [](Printed&) {});
  };
}

// The words of a sentence as one-hot columns.
void check_sentence(Fixture& fixture, Check& check) {
  const Layout layout = layout_of(read_sizes(fixture, false), "y");
  const Sizes& s = layout.sizes;
  if (s.m != 1) throw FixtureError("config.m: expected 1: a sentence is one example");
  want_shape(fixture, "inputs/word_ids", {s.steps});
  const IndexTensor ids = fixture.array("inputs/word_ids").indices();
  Tensor<double> one_hot = zeros<double>({s.n_x, 1, s.steps});
  for (std::size_t t = 0; t < s.steps; ++t) {
    const auto id = static_cast<std::size_t>(ids.data()[t]);
    if (id >= s.n_x)
      throw FixtureError(fmt::format("inputs/word_ids: expected 0..{}, got {}", s.n_x - 1, id));
    one_hot.data()[id * s.steps + t] = 1.0;
  }
  if (fixture.tensor("inputs/x") != one_hot)
    throw FixtureError("inputs/x is not the one-hot code of inputs/word_ids");
  check_lstm(fixture, check, layout,
             [&](Printed& printed) { printed[fmt::format("{} {}", s.steps, s.n_x)] = std::string(); });
}

}  // namespace

void add_column_systems(Registry& registry) {
  registry["rnn_columns_cell"] = rnn_handler(true);
  registry["rnn_columns_sequence"] = rnn_handler(false);
  registry["lstm_columns_cell"] = lstm_handler(true);
  registry["lstm_columns_sequence"] = lstm_handler(false);
  registry["one_hot_sentence_lstm"] = check_sentence;
}

}  // namespace unroll::oracle
