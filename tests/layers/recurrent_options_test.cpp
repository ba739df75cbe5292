// What each option of the recurrent family does, against loops written by hand.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"

using namespace unroll;

namespace {

using Vector = std::vector<double>;

double sigmoid_of(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// weight (R,C) times x, for the rows [first, first + rows).
Vector product(const Var<double>& weight, const Vector& x) {
  Vector y(weight.shape(0));
  for (std::size_t r = 0; r < y.size(); ++r) {
    for (std::size_t c = 0; c < x.size(); ++c) y[r] += weight.value()(r, c) * x[c];
  }
  return y;
}

Vector normalized(const Vector& x) {
  double mean = 0.0, variance = 0.0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  Vector y;
  for (const double v : x) y.push_back((v - mean) / std::sqrt(variance + 1e-5));
  return y;
}

struct HandState {
  Vector h, c;
};

// One LSTM step of one sequence, written out with every option.
HandState lstm_by_hand(const LstmCell<double>& cell, const Vector& x, const HandState& s) {
  const LstmOptions& o = cell.options;
  const auto H = static_cast<std::size_t>(o.hidden);
  Vector from_x = product(cell.weight_ih, x), from_h = product(cell.weight_hh, s.h);
  if (o.layer_norm) {
    from_x = normalized(from_x);
    from_h = normalized(from_h);
    for (std::size_t r = 0; r < from_x.size(); ++r) {
      from_x[r] *= cell.norm_ih.value()(r);
      from_h[r] *= cell.norm_hh.value()(r);
    }
  }
  const auto pre = [&](std::size_t gate, std::size_t j) {
    const std::size_t r = gate * H + j;
    return from_x[r] + from_h[r] + cell.bias_ih.value()(r) + cell.bias_hh.value()(r);
  };
  const auto peep = [&](std::size_t gate, std::size_t j, double c) {
    return o.peepholes ? cell.weight_ch.value()(gate * H + j) * c : 0.0;
  };
  HandState next{Vector(H), Vector(H)};
  for (std::size_t j = 0; j < H; ++j) {
    const double i = sigmoid_of(pre(0, j) + peep(0, j, s.c[j]));
    const double f = o.coupled ? 1.0 - i : sigmoid_of(pre(1, j) + peep(1, j, s.c[j]));
    const double g = std::tanh(pre(o.coupled ? 1 : 2, j));
    next.c[j] = f * s.c[j] + i * g;
  }
  const Vector inner = o.layer_norm ? normalized(next.c) : next.c;
  for (std::size_t j = 0; j < H; ++j) {
    const double out = sigmoid_of(pre(o.coupled ? 2 : 3, j) + peep(o.coupled ? 1 : 2, j, next.c[j]));
    const double shown =
        o.layer_norm ? inner[j] * cell.norm_c.value()(j) + cell.norm_c_bias.value()(j) : inner[j];
    next.h[j] = out * std::tanh(shown);
  }
  if (o.projection > 0) next.h = product(cell.weight_hr, next.h);
  return next;
}

Vector row(const Tensor<double>& t, std::size_t step, std::size_t b) {
  Vector result;
  for (std::size_t i = 0; i < t.shape()[2]; ++i) result.push_back(t(step, b, i));
  return result;
}

void randomize(auto& layer, Rng& rng) {
  for_each_parameter(layer, [&](const std::string&, auto& var) {
    var.mutable_value() = random_normal<double>(var.shape(), 0.0, 0.7, rng);
  });
}

}  // namespace

TEST_CASE("the LSTM's variants compute the published equations") {
  Rng rng(41);
  const Tensor<double> x = random_normal<double>({4, 2, 3}, 0.0, 1.0, rng);
  for (unsigned bits = 0; bits < 16; ++bits) {
    const LstmOptions options{.input = 3,
                              .hidden = 5,
                              .projection = (bits & 8) != 0 ? 4 : 0,
                              .peepholes = (bits & 1) != 0,
                              .layer_norm = (bits & 2) != 0,
                              .coupled = (bits & 4) != 0};
    INFO("peepholes " << options.peepholes << ", layer norm " << options.layer_norm << ", coupled "
                      << options.coupled << ", projection " << options.projection);
    Lstm<double> lstm(options, rng);
    randomize(lstm, rng);
    const auto result = lstm.with_all_states(Var<double>(x));
    for (std::size_t b = 0; b < 2; ++b) {
      HandState state{Vector(lstm.output_size()), Vector(5)};
      for (std::size_t t = 0; t < 4; ++t) {
        state = lstm_by_hand(lstm.cells()[0], row(x, t, b), state);
        for (std::size_t j = 0; j < state.h.size(); ++j)
          REQUIRE(result.output.value()(t, b, j) == Approx(state.h[j]).margin(1e-14));
        for (std::size_t j = 0; j < 5; ++j)
          REQUIRE(result.all_states[0].c.value()(t, b, j) == Approx(state.c[j]).margin(1e-14));
      }
    }
  }
}

TEST_CASE("the minimal gated unit computes the published equations") {
  Rng rng(44);
  const Tensor<double> x = random_normal<double>({4, 2, 3}, 0.0, 1.0, rng);
  Mgu<double> mgu({.input = 3, .hidden = 5}, rng);
  randomize(mgu, rng);
  const MguCell<double>& cell = mgu.cells()[0];
  const auto result = mgu(Var<double>(x));
  for (std::size_t b = 0; b < 2; ++b) {
    Vector h(5);
    for (std::size_t t = 0; t < 4; ++t) {
      const Vector from_x = product(cell.weight_ih, row(x, t, b)), from_h = product(cell.weight_hh, h);
      const auto bias = [&](std::size_t r) { return cell.bias_ih.value()(r) + cell.bias_hh.value()(r); };
      Vector f(5), read(5);
      for (std::size_t j = 0; j < 5; ++j) {
        f[j] = sigmoid_of(from_x[j] + from_h[j] + bias(j));
        read[j] = f[j] * h[j];
      }
      const Vector from_read = product(cell.weight_hh, read);
      for (std::size_t j = 0; j < 5; ++j) {
        const double n = std::tanh(from_x[5 + j] + from_read[5 + j] + bias(5 + j));
        h[j] = (1.0 - f[j]) * h[j] + f[j] * n;
        REQUIRE(result.output.value()(t, b, j) == Approx(h[j]).margin(1e-14));
      }
    }
  }
}

TEST_CASE("the minimal gated unit has the numbers of its page") {
  Rng rng(45);
  Mgu<double> mgu({.input = 1, .hidden = 1, .bias = Bias::single}, rng);
  MguCell<double>& cell = mgu.cells()[0];
  const auto tensor = [](const Shape& shape, const std::vector<double>& values) {
    Tensor<double> result(shape);
    std::copy(values.begin(), values.end(), result.data());
    return result;
  };
  cell.weight_ih.mutable_value() = tensor({2, 1}, {0.5, 0.9});
  cell.weight_hh.mutable_value() = tensor({2, 1}, {0.6, -0.7});
  cell.bias_ih.mutable_value() = tensor({2}, {0.3, -0.2});
  Tape tape;
  const Var<double> x = parameter(tensor({2, 1, 1}, {1.0, -0.5})), h0 = parameter(tensor({1, 1}, {0.4}));
  const auto result = mgu(x, {.states = {h0}, .lengths = {}});
  const Var<double> upstream(tensor({2, 1, 1}, {0.7, -1.1}));
  const Var<double> loss = sum(result.output * upstream) + 0.4 * sum(result.states[0]);
  tape.backward(loss);
  const auto close = [](double got, double page) { CHECK(got == Approx(page).margin(6e-10)); };
  close(loss.item(), 0.453961020);
  close(x.grad()(0, 0, 0), 0.318616596);
  close(x.grad()(1, 0, 0), -0.091919458);
  close(h0.grad()(0, 0), -0.033144417);
  close(cell.weight_ih.grad()(0, 0), -0.116718633);
  close(cell.weight_ih.grad()(1, 0), 0.469928490);
  close(cell.weight_hh.grad()(0, 0), 0.086779239);
  close(cell.weight_hh.grad()(1, 0), 0.051117783);
  close(cell.bias_ih.grad()(0), 0.195174813);
  close(cell.bias_ih.grad()(1), 0.143455257);
}

TEST_CASE("forget_bias sets what the two biases add up to, and nothing else") {
  for (const Bias bias : {Bias::single, Bias::both}) {
    Rng a(42), b(42);
    const Lstm<double> plain({.input = 2, .hidden = 3, .bias = bias}, a);
    const Lstm<double> biased({.input = 2, .hidden = 3, .bias = bias, .forget_bias = 1.5}, b);
    const auto& from = plain.cells()[0];
    const auto& to = biased.cells()[0];
    for (std::size_t r = 0; r < 12; ++r) {
      const double other = bias == Bias::both ? to.bias_hh.value()(r) : 0.0;
      if (r / 3 == 1) {
        CHECK(to.bias_ih.value()(r) + other == 1.5);
      } else {
        CHECK(to.bias_ih.value()(r) == from.bias_ih.value()(r));
        if (bias == Bias::both) CHECK(other == from.bias_hh.value()(r));
      }
    }
    CHECK(to.weight_hh.value() == from.weight_hh.value());
    CHECK(to.bias_hh.defined() == (bias == Bias::both));
  }
}

TEST_CASE("orthogonal recurrent weights are orthogonal gate by gate") {
  Rng rng(43);
  const Gru<double> gru({.input = 2, .hidden = 4, .recurrent_init = RecurrentInit::orthogonal}, rng);
  const Tensor<double>& w = gru.cells()[0].weight_hh.value();
  for (std::size_t gate = 0; gate < 3; ++gate) {
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        double dot = 0.0;
        for (std::size_t k = 0; k < 4; ++k) dot += w(4 * gate + i, k) * w(4 * gate + j, k);
        CHECK(dot == Approx(i == j ? 1.0 : 0.0).margin(1e-14));
      }
    }
  }
  CHECK(w(0, 0) != w(4, 0));
}

TEST_CASE("every layer has its own width, and its states too") {
  Rng rng(44);
  const Lstm<double> lstm({.input = 3, .hidden = 9, .projection = 2},
                          {.widths = {4, 6, 5}, .bidirectional = true}, rng);
  CHECK(lstm.output_size() == 4);
  const auto named = named_parameters(lstm);
  const auto shape_of = [&](const std::string& name) {
    for (const auto& p : named) {
      if (p.name == name) return p.var.shape();
    }
    return Shape{};
  };
  CHECK(shape_of("weight_ih_l0") == Shape{16, 3});
  CHECK(shape_of("weight_ih_l1_reverse") == Shape{24, 4});
  CHECK(shape_of("weight_hr_l2") == Shape{2, 5});
  const auto result = lstm(Var<double>(random_normal<double>({4, 2, 3}, 0.0, 1.0, rng)));
  CHECK(result.output.shape() == Shape{4, 2, 4});
  CHECK(result.states.size() == 6);
  CHECK(result.states[3].c.shape() == Shape{2, 6});
}

TEST_CASE("learned initial states are parameters that begin as zeros, and a given state goes before them") {
  Rng rng(45);
  Lstm<double> lstm({.input = 2, .hidden = 3}, {.bidirectional = true, .learn_initial_states = true}, rng);
  std::vector<std::string> names;
  for (const auto& p : named_parameters(lstm)) {
    if (p.name.find('0') < p.name.find('_')) names.push_back(p.name);
  }
  CHECK(names == std::vector<std::string>{"h0_l0", "c0_l0", "h0_l0_reverse", "c0_l0_reverse"});

  const Tensor<double> x = random_normal<double>({4, 2, 2}, 0.0, 1.0, rng);
  Rng same(45);
  const Lstm<double> plain({.input = 2, .hidden = 3}, {.bidirectional = true}, same);
  CHECK((lstm(Var<double>(x)).output.value() == plain(Var<double>(x)).output.value()));

  for_each_parameter(lstm, [&](const std::string& name, auto& var) {
    if (name.find("0_l") != std::string::npos && name.find("weight") == std::string::npos)
      var.mutable_value() = random_normal<double>(var.shape(), 0.0, 1.0, rng);
  });
  // A sequence of length 0 ends where it begins: with the learned state.
  const auto learned = lstm(Var<double>(x), {.lengths = {4, 0}});
  const auto named = named_parameters(lstm);
  for (const auto& p : named) {
    if (p.name != "c0_l0_reverse") continue;
    for (std::size_t j = 0; j < 3; ++j) CHECK(learned.states[1].c.value()(1, j) == p.var.value()(0, j));
  }
  const Var<double> zero(zeros<double>({2, 3}));
  const auto given = lstm(Var<double>(x), {.states = {{zero, zero}, {zero, zero}}});
  CHECK(given.output.value() == plain(Var<double>(x)).output.value());

  const Lstm<double> copied = clone(lstm);
  CHECK((copied(Var<double>(x)).output.value() == lstm(Var<double>(x)).output.value()));
  CHECK(convert<float>(lstm).options().learn_initial_states);
}

TEST_CASE(
    "all states on request: those of every step, 0 in the padding, the last one at each sequence's end") {
  Rng rng(46);
  const Tensor<double> x = random_normal<double>({5, 3, 2}, 0.0, 1.0, rng);
  const std::vector<Index> lengths{3, 5, 0};
  for (const Path path : {Path::fused, Path::tape}) {
    const Lstm<double> lstm({.input = 2, .hidden = 4}, {.layers = 2, .bidirectional = true, .path = path},
                            rng);
    const auto trace = lstm.with_all_states(Var<double>(x), {.lengths = lengths});
    const auto plain = lstm(Var<double>(x), {.lengths = lengths});
    CHECK(trace.output.value() == plain.output.value());
    REQUIRE(trace.all_states.size() == 4);
    for (std::size_t k = 0; k < 4; ++k) {
      CHECK(trace.states[k].c.value() == plain.states[k].c.value());
      const auto& all = trace.all_states[k];
      for (std::size_t b = 0; b < 3; ++b) {
        const auto length = static_cast<std::size_t>(lengths[b]);
        for (std::size_t j = 0; j < 4; ++j) {
          for (std::size_t t = length; t < 5; ++t) CHECK(all.c.value()(t, b, j) == 0.0);
          if (length == 0) continue;
          const std::size_t end = k % 2 == 0 ? length - 1 : 0;
          CHECK(all.c.value()(end, b, j) == trace.states[k].c.value()(b, j));
          CHECK(all.h.value()(end, b, j) == trace.states[k].h.value()(b, j));
        }
      }
    }
    for (std::size_t b = 0; b < 2; ++b) {
      CHECK(trace.all_states[3].h.value()(1, b, 2) == trace.output.value()(1, b, 4 + 2));
    }
  }
}

TEST_CASE("streaming step by step gives what the whole sequence gives") {
  Rng rng(47);
  const Tensor<double> x = random_normal<double>({6, 2, 3}, 0.0, 1.0, rng);
  const auto check = [&](const auto& layer) {
    const auto whole = layer(Var<double>(x));
    std::remove_cvref_t<decltype(whole.states)> states;
    for (std::size_t t = 0; t < 6; ++t) {
      const auto one = layer.step(select(Var<double>(x), 0, static_cast<Index>(t)), states);
      states = one.states;
      const Tensor<double> want = select(whole.output, 0, static_cast<Index>(t)).value();
      REQUIRE(one.output.shape() == want.shape());
      for (std::size_t i = 0; i < want.size(); ++i)
        CHECK(one.output.data()[i] == Approx(want.data()[i]).margin(1e-14));
    }
  };
  check(Lstm<double>({.input = 3, .hidden = 4, .projection = 2}, {.layers = 2}, rng));
  check(Lstm<double>({.input = 3, .hidden = 4, .peepholes = true}, rng));
  check(Gru<double>({.input = 3, .hidden = 4}, {.batch_first = false, .learn_initial_states = true}, rng));
  check(Recurrent<test::MinimalGatedUnit<double>>({.input = 3, .hidden = 4}, {.layers = 2}, rng));
  const Gru<double> batch_major({.input = 3, .hidden = 4}, {.batch_first = true}, rng);
  CHECK(batch_major.step(Var<double>(zeros<double>({2, 3}))).output.shape() == Shape{2, 4});
}
