// cell_mingru, cell_sru, cell_indrnn, cell_slstm: the cells of examples/gallery, by their references' names.
#include <fmt/format.h>

#include "examples/gallery/indrnn.hpp"
#include "examples/gallery/mingru.hpp"
#include "examples/gallery/slstm.hpp"
#include "examples/gallery/sru.hpp"
#include "registry.hpp"

namespace unroll::oracle {
namespace {

struct Sizes {
  Index input, hidden;
  std::size_t batch, steps;
  std::vector<Index> lengths;
};

Sizes read_sizes(Fixture& fixture, bool has_input = true) {
  Sizes sizes{.input = has_input ? fixture.get<Index>("input_size") : 4 * fixture.get<Index>("hidden_size"),
              .hidden = fixture.get<Index>("hidden_size"),
              .batch = fixture.get<std::size_t>("batch"),
              .steps = fixture.get<std::size_t>("T"),
              .lengths = {}};
  sizes.lengths = read_lengths(fixture, sizes.batch);
  return sizes;
}

// What the file says about a cell besides its options.
struct Layout {
  Sizes sizes;
  std::string input = "x";
  std::string projection = {};           // a parameter on the output, or none
  std::vector<std::string> states = {};  // that the file has
  bool whole_input = false;              // x is W x already, W (4H,I) an identity
};

// Runs the layer and compares; of the loss, all terms or that of the output alone.
template <class Cell>
void run(Fixture& fixture, Comparison& compare, Recurrent<Cell> layer, const Layout& layout,
         const std::string& group) {
  std::vector<std::pair<std::string, Var<double>>> leaves, outputs;
  const auto read = [&](const std::string& from, const std::string& name, const Shape& shape) {
    want_shape(fixture, from + "/" + name, shape);
    leaves.emplace_back(name, leaf(fixture, from + "/" + name));
    return leaves.back().second;
  };
  const Sizes& sizes = layout.sizes;
  const auto input = static_cast<std::size_t>(sizes.input), hidden = static_cast<std::size_t>(sizes.hidden);
  Tape tape;
  for_each_parameter(layer.cells().front(), [&](const std::string& name, Var<double>& var) {
    if (!fixture.has("params/" + name) && layout.whole_input) {  // the file begins where W x is known
      const Tensor<double> identity = xt::eye<double>(input);
      var = Var<double>(identity);
    } else {
      var = read("params", name, var.shape());
    }
  });
  const Var<double> x = read("inputs", layout.input, {sizes.steps, sizes.batch, input});
  auto state = zero_state(layer.cells().front(), sizes.batch);
  const auto has_state = [&](const std::string& name) {
    return std::find(layout.states.begin(), layout.states.end(), name) != layout.states.end();
  };
  for_each_named_in_state(state, [&](const std::string& name, Var<double>& var) {
    if (has_state(name) && fixture.has("inputs/" + name + "0"))
      var = read("inputs", name + "0", {sizes.batch, hidden});
  });
  const auto result = layer(x, {.states = {state}, .lengths = sizes.lengths});
  Var<double> y = result.output;
  if (!layout.projection.empty()) y = linear(y, read("params", layout.projection, {input, hidden}));
  outputs.emplace_back("y", y);
  for_each_named_in_state(result.states.front(), [&](const std::string& name, const Var<double>& var) {
    if (has_state(name)) outputs.emplace_back(name + "n", var);
  });

  const bool only_output = group != "grads";
  Var<double> loss(zeros<double>({}));
  for (const auto& [name, value] : outputs) {
    if (!has_upstream(fixture, name) || (only_output && name != "y")) continue;
    want_shape(fixture, "cotangents/" + name, value.shape());
    loss = loss + sum(Var<double>(fixture.tensor("cotangents/" + name)) * value);
  }
  if (!only_output) {
    for (const auto& [name, value] : outputs) compare.equal("outputs/" + name, value);
    compare.equal("outputs/loss", loss);
  }
  tape.backward(loss);
  for (const auto& [name, var] : leaves) compare.equal(group + "/" + name, gradient(var));
}

template <class Cell, class Options>
void check_cell(Fixture& fixture, Check& check, const Options& options, const Layout& layout) {
  for (const Path path : {Path::tape, Path::compiled}) {
    check.path(path == Path::tape ? "tape" : "compiled", [&](Comparison& compare) {
      for (const std::string group : {"grads", "grads_outputs_only"}) {
        if (fixture.names(group).empty()) continue;
        Rng rng(0);
        run(fixture, compare, Recurrent<Cell>(options, {.path = path}, rng), layout, group);
      }
    });
  }
}

void check_mingru(Fixture& fixture, Check& check) {
  const Sizes sizes = read_sizes(fixture);
  const auto g = fixture.get<std::string>("g");
  want("g", g, {"identity", "log_space"});
  if (fixture.get_or("bias", false)) throw FixtureError("config.bias: expected false");
  const bool projection = fixture.get_or("projection", fixture.has("params/to_out.weight"));
  check_cell<gallery::MinGruCell<double>>(
      fixture, check,
      gallery::MinGruOptions{.input = sizes.input, .hidden = sizes.hidden, .positive = g == "log_space"},
      {.sizes = sizes, .projection = projection ? "to_out.weight" : "", .states = {"h"}});
}

void check_sru(Fixture& fixture, Check& check) {
  const Sizes sizes = read_sizes(fixture);
  const gallery::SruOptions options{.input = sizes.input,
                                    .hidden = sizes.hidden,
                                    .use_tanh = fixture.get_or("use_tanh", false),
                                    .has_skip_term = fixture.get_or("has_skip_term", true),
                                    .rescale = fixture.get_or("rescale", true),
                                    .highway_bias = fixture.get_or("highway_bias", 0.0)};
  Rng rng(0);
  const gallery::SruCell<double> cell(options, rng);
  if (fixture.get_or("num_matrices", cell.matrices()) != cell.matrices())
    throw FixtureError(fmt::format("config.num_matrices: expected {}", cell.matrices()));
  if (std::abs(fixture.get_or("scale_x", cell.highway_scale()) - cell.highway_scale()) > fixture.atol())
    throw FixtureError(fmt::format("config.scale_x: expected {}", cell.highway_scale()));
  check_cell<gallery::SruCell<double>>(fixture, check, options, {.sizes = sizes, .states = {"c"}});
}

void check_indrnn(Fixture& fixture, Check& check) {
  const Sizes sizes = read_sizes(fixture);
  const auto activation = fixture.get<std::string>("activation");
  want("activation", activation, {"relu", "tanh"});
  check_cell<gallery::IndRnnCell<double>>(
      fixture, check,
      gallery::IndRnnOptions{.input = sizes.input,
                             .hidden = sizes.hidden,
                             .activation = activation == "relu" ? Activation::relu() : Activation::tanh()},
      {.sizes = sizes, .states = {"h"}});
}

void check_slstm(Fixture& fixture, Check& check) {
  want("kind", fixture.get<std::string>("kind"), {"cell"});
  want("gate_order", fixture.get_or<std::string>("gate_order", "i,f,z,o"), {"i,f,z,o"});
  const Sizes sizes = read_sizes(fixture, /*has_input=*/false);
  const auto heads = fixture.get<Index>("num_heads");
  if (heads < 1 || fixture.get_or("head_size", sizes.hidden / heads) * heads != sizes.hidden)
    throw FixtureError("config.num_heads: expected head_size * num_heads to be hidden_size");
  const bool given = fixture.has("inputs/h0");
  want("initial_state", fixture.get_or<std::string>("initial_state", given ? "given" : "zero"),
       {given ? "given" : "zero"});
  fixture.get_or("huge_gates", false);
  check_cell<gallery::SlstmCell<double>>(
      fixture, check, gallery::SlstmOptions{.input = sizes.input, .hidden = sizes.hidden, .heads = heads},
      {.sizes = sizes, .input = "wx", .states = {"h", "c", "n", "m"}, .whole_input = true});
}

}  // namespace

void add_gallery_systems(Registry& registry) {
  registry["cell_mingru"] = check_mingru;
  registry["cell_sru"] = check_sru;
  registry["cell_indrnn"] = check_indrnn;
  registry["cell_slstm"] = check_slstm;
}

}  // namespace unroll::oracle
