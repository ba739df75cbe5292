// A fused layer computes the gradients that are asked for, and no others.
#include <catch2/catch.hpp>

#include "layers/kernels/pass.hpp"
#include "layers/layers.hpp"

using namespace unroll;

namespace {

// Every gradient of a kernel is there, with the same bits, when it alone is needed, and empty when it is not.
// A state's gradient is what runs back through time, so it is never empty, only unfinished.
template <class Cell>
void check_gradients(const decltype(Cell::options)& options, const VarList<double>& inputs,
                     const bptt::BatchLayout& layout, const VarList<double>& upstream) {
  Cell cell;
  cell.options = options;
  const auto kernel = cell.kernel();
  const std::size_t states = kernel.unit->layout.states();
  bptt::PassResult<double> result;
  bptt::Forward<double> forward(kernel, inputs[0].shape(), inputs, layout, /*keep=*/true, result);
  const bptt::TimeChunk chunk(layout);
  forward.run(chunk, inputs[0].data());
  const auto gradients = [&](const NeedsGrad& needs_grad) {
    bptt::Backward<double> backward(kernel, inputs, layout, result, upstream, needs_grad);
    backward.run(chunk, upstream[0].data());
    backward.run_input(chunk);
    backward.run_weights();
    return backward.gradients;
  };
  const VarList<double> all = gradients(NeedsGrad(inputs.size(), 1));
  REQUIRE(all.size() == inputs.size());
  for (std::size_t chosen = 0; chosen < inputs.size(); ++chosen) {
    NeedsGrad needs_grad(inputs.size(), 0);
    needs_grad[chosen] = 1;
    const VarList<double> some = gradients(needs_grad);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      INFO("input " << i << " when " << chosen << " is needed");
      REQUIRE(all[i].shape() == inputs[i].shape());
      if (i == chosen) {
        CHECK(some[i].value() == all[i].value());
      } else if (i == 0 || i > states) {
        CHECK_FALSE(some[i].defined());
      }
    }
  }
}

}  // namespace

TEST_CASE("a kernel leaves out the gradients that nobody wants, and the rest keep their bits") {
  constexpr std::size_t I = 2, H = 5, P = 4;
  const std::size_t T = GENERATE(1U, 4U), B = GENERATE(1U, 3U);
  Rng rng(21);
  const auto list = [&](std::initializer_list<Shape> shapes) {
    VarList<double> result;
    for (const Shape& shape : shapes) result.emplace_back(random_normal<double>(shape, 0.0, 1.0, rng));
    return result;
  };
  const auto layout = bptt::BatchLayout::dense(T, B, false);
  SECTION("RNN") {
    check_gradients<RnnCell<double>>({}, list({{T, B, I}, {B, H}, {H, I}, {H, H}, {H}, {H}}), layout,
                                     list({{T, B, H}, {B, H}}));
  }
  SECTION("LSTM") {
    check_gradients<LstmCell<double>>(
        {}, list({{T, B, I}, {B, P}, {B, H}, {4 * H, I}, {4 * H, P}, {4 * H}, {4 * H}, {P, H}}), layout,
        list({{T, B, P}, {B, P}, {B, H}, {T, B, H}}));
  }
  SECTION("GRU") {
    for (const bool reset_after : {true, false}) {
      check_gradients<GruCell<double>>({.reset = reset_after ? GruReset::after : GruReset::before},
                                       list({{T, B, I}, {B, H}, {3 * H, I}, {3 * H, H}, {3 * H}, {3 * H}}),
                                       layout, list({{T, B, H}, {B, H}}));
    }
  }
  SECTION("minimal gated unit") {
    check_gradients<MguCell<double>>({}, list({{T, B, I}, {B, H}, {2 * H, I}, {2 * H, H}, {2 * H}, {2 * H}}),
                                     layout, list({{T, B, H}, {B, H}}));
  }
}

TEST_CASE("asking a fused layer for one gradient alone gives the same as asking for all") {
  Rng rng(22);
  const Tensor<double> input = random_normal<double>({4, 3, 2}, 0.0, 1.0, rng);
  const auto check = [&](const auto& layer) {
    REQUIRE(layer.path() == Path::fused);
    Tape tape;
    const Var<double> x = parameter(input);
    auto wanted = parameters(layer);
    wanted.push_back(x);
    States<state_t<std::remove_cvref_t<decltype(layer.cells()[0])>>> states;
    for (const auto& cell : layer.cells()) {
      states.push_back(map_state(zero_state(cell, 3), [&](const Var<double>& zero) {
        return parameter(random_normal<double>(zero.shape(), 0.0, 1.0, rng));
      }));
      for_each_in_state(states.back(), [&](const Var<double>& var) { wanted.push_back(var); });
    }
    const auto result = layer(x, {.states = states, .lengths = {2, 4, 3}});
    const std::vector<Var<double>> loss{sum(square(result.output)) +
                                        sum(hidden_of<double>(result.states[0]))};
    const auto all = gradients(loss, wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      INFO("input " << i);
      CHECK(gradients(loss, std::vector<Var<double>>{wanted[i]})[0].value() == all[i].value());
    }
  };
  const RecurrentOptions options{.layers = 2, .bidirectional = true};
  check(Rnn<double>({.input = 2, .hidden = 4}, options, rng));
  check(Lstm<double>({.input = 2, .hidden = 4, .projection = 3}, options, rng));
  check(Gru<double>({.input = 2, .hidden = 4}, options, rng));
  check(Gru<double>({.input = 2, .hidden = 4, .reset = GruReset::before}, options, rng));
}
