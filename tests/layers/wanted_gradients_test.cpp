// A fused layer computes the gradients that are asked for, and no others.
#include <catch2/catch.hpp>

#include "layers/bptt/gru.hpp"
#include "layers/bptt/lstm.hpp"
#include "layers/bptt/rnn.hpp"
#include "layers/layers.hpp"

using namespace unroll;

namespace {

using bptt::Wanted;

constexpr bool Wanted::*kChoices[] = {&Wanted::x,         &Wanted::state,   &Wanted::weight_ih,
                                      &Wanted::weight_hh, &Wanted::bias_ih, &Wanted::bias_hh,
                                      &Wanted::weight_hr};

Wanted only(bool Wanted::*choice) {
  Wanted wanted{.x = false,
                .state = false,
                .weight_ih = false,
                .weight_hh = false,
                .bias_ih = false,
                .bias_hh = false,
                .weight_hr = false};
  wanted.*choice = true;
  return wanted;
}

struct Part {
  const char* name;
  Var<double> value;
  bool Wanted::*choice;  // either of the two
  bool Wanted::*or_choice;
};

// run(wanted) -> parts. Each part is there, with the same bits, when it is wanted, and empty when it is not.
// A state's gradient is what runs back through time, so it is never empty, only unfinished.
template <class Run>
void check_parts(Run&& run) {
  const std::vector<Part> all = run(Wanted{});
  for (const auto choice : kChoices) {
    const std::vector<Part> some = run(only(choice));
    for (std::size_t i = 0; i < all.size(); ++i) {
      INFO(all[i].name);
      REQUIRE(all[i].value.size() > 1);
      if (all[i].choice == choice || all[i].or_choice == choice) {
        CHECK(some[i].value.value() == all[i].value.value());
      } else if (all[i].choice != &Wanted::state) {
        CHECK_FALSE(some[i].value.defined());
      }
    }
  }
}

}  // namespace

TEST_CASE("a kernel leaves out the gradients that nobody wants, and the rest keep their bits") {
  constexpr std::size_t I = 2, H = 5, P = 4;
  const std::size_t T = GENERATE(1U, 4U), B = GENERATE(1U, 3U);
  Rng rng(21);
  const auto random = [&](const Shape& shape) { return random_normal<double>(shape, 0.0, 1.0, rng); };
  const auto x = random({T, B, I}), h0 = random({B, H}), h0_projected = random({B, P}), c0 = random({B, H});
  const auto up = random({T * B, H}), up_projected = random({T * B, P});
  const auto steps = bptt::Steps::dense(T, B, false);
  SECTION("RNN") {
    const auto w_ih = random({H, I}), w_hh = random({H, H}), b = random({H});
    const bptt::RnnWeights<double> w{&w_ih, &w_hh, &b, &b};
    const auto f = bptt::rnn_forward(x, h0, w, false, steps);
    check_parts([&](const Wanted& wanted) {
      auto d = bptt::rnn_backward(x, h0, w, false, steps, f.output.value(), {&up, nullptr}, wanted);
      return std::vector<Part>{{"x", d.x, &Wanted::x, &Wanted::x},
                               {"h0", d.h0, &Wanted::state, &Wanted::state},
                               {"weight_ih", d.weight_ih, &Wanted::weight_ih, &Wanted::weight_ih},
                               {"weight_hh", d.weight_hh, &Wanted::weight_hh, &Wanted::weight_hh},
                               {"bias", d.bias, &Wanted::bias_ih, &Wanted::bias_hh}};
    });
  }
  SECTION("LSTM") {
    const auto w_ih = random({4 * H, I}), w_hh = random({4 * H, P}), b = random({4 * H}),
               w_hr = random({P, H});
    const bptt::LstmWeights<double> w{&w_ih, &w_hh, &b, &b, &w_hr};
    const auto f = bptt::lstm_forward(x, h0_projected, c0, w, steps);
    check_parts([&](const Wanted& wanted) {
      auto d = bptt::lstm_backward(x, h0_projected, c0, w, steps, f, {.output = &up_projected, .cell = &up},
                                   wanted);
      return std::vector<Part>{{"x", d.x, &Wanted::x, &Wanted::x},
                               {"h0", d.h0, &Wanted::state, &Wanted::state},
                               {"c0", d.c0, &Wanted::state, &Wanted::state},
                               {"weight_ih", d.weight_ih, &Wanted::weight_ih, &Wanted::weight_ih},
                               {"weight_hh", d.weight_hh, &Wanted::weight_hh, &Wanted::weight_hh},
                               {"bias", d.bias, &Wanted::bias_ih, &Wanted::bias_hh},
                               {"weight_hr", d.weight_hr, &Wanted::weight_hr, &Wanted::weight_hr}};
    });
  }
  SECTION("GRU") {
    const auto w_ih = random({3 * H, I}), w_hh = random({3 * H, H}), b_ih = random({3 * H}),
               b_hh = random({3 * H});
    const bptt::GruWeights<double> w{&w_ih, &w_hh, &b_ih, &b_hh};
    for (const bool reset_after : {true, false}) {
      const bptt::GruVariant variant{.reset_after = reset_after};
      const auto f = bptt::gru_forward(x, h0, w, variant, steps);
      check_parts([&](const Wanted& wanted) {
        auto d = bptt::gru_backward(x, h0, w, variant, steps, f, {&up, nullptr}, wanted);
        return std::vector<Part>{{"x", d.x, &Wanted::x, &Wanted::x},
                                 {"h0", d.h0, &Wanted::state, &Wanted::state},
                                 {"weight_ih", d.weight_ih, &Wanted::weight_ih, &Wanted::weight_ih},
                                 {"weight_hh", d.weight_hh, &Wanted::weight_hh, &Wanted::weight_hh},
                                 {"bias_ih", d.bias_ih, &Wanted::bias_ih, &Wanted::bias_ih},
                                 {"bias_hh", d.bias_hh, &Wanted::bias_hh, &Wanted::bias_hh}};
      });
    }
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
