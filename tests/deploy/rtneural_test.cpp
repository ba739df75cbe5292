// Files of RTNeural: what they mean, by loops over the numbers of the file, and what is refused.
#include "deploy/rtneural.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "audio_files.hpp"
#include "c_library.hpp"
#include "framework/errors.hpp"
#include "framework/ops.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {

std::string rows(const Numbers& values, std::size_t columns) {
  std::string text = "[";
  for (std::size_t at = 0; at < values.size(); at += columns)
    text += fmt::format("{}[{}]", at == 0 ? "" : ",",
                        fmt::join(values.begin() + static_cast<std::ptrdiff_t>(at),
                                  values.begin() + static_cast<std::ptrdiff_t>(at + columns), ","));
  return text + "]";
}

std::string layer(const std::string& type, std::size_t size, const std::string& weights,
                  const std::string& activation = "") {
  return fmt::format(R"({{"type":"{}","activation":"{}","shape":[null,null,{}],"weights":[{}]}})", type,
                     activation, size, weights);
}

std::string file_of(std::size_t inputs, const std::vector<std::string>& layers) {
  return fmt::format(R"({{"in_shape":[null,null,{}],"layers":[{}]}})", inputs, fmt::join(layers, ","));
}

// One layer of a file, step by step, in double and in the file's layouts.
struct Reference {
  std::string type;
  std::size_t inputs, units;
  Numbers kernel, recurrent, bias;
  Numbers h = Numbers(units, 0.0), c = Numbers(units, 0.0);

  std::size_t gates() const { return type == "lstm" ? 4 : type == "gru" ? 3 : 1; }
  static Reference drawn(const std::string& type, std::size_t inputs, std::size_t units, Rng& rng) {
    Reference r{.type = type, .inputs = inputs, .units = units, .kernel = {}, .recurrent = {}, .bias = {}};
    r.kernel = draw(inputs * r.gates() * units, rng);
    if (type != "dense") r.recurrent = draw(units * r.gates() * units, rng);
    r.bias = draw((type == "gru" ? 2 : 1) * r.gates() * units, rng);
    return r;
  }
  std::string text(const std::string& activation = "") const {
    const std::size_t columns = gates() * units;
    std::string weights = rows(kernel, columns);
    if (type != "dense") weights += "," + rows(recurrent, columns);
    return layer(
        type, units,
        weights + "," + (type == "gru" ? rows(bias, columns) : fmt::format("[{}]", fmt::join(bias, ","))),
        activation);
  }
  static double product(const Numbers& x, const Numbers& matrix, std::size_t columns, std::size_t column) {
    double sum = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * matrix[i * columns + column];
    return sum;
  }
  Numbers step(const Numbers& x) {
    const std::size_t H = units, columns = gates() * H;
    Numbers next(H);
    for (std::size_t k = 0; k < H; ++k) {
      const auto in = [&](std::size_t gate) { return product(x, kernel, columns, gate * H + k); };
      const auto back = [&](std::size_t gate) { return product(h, recurrent, columns, gate * H + k); };
      const auto b = [&](std::size_t gate) { return bias[gate * H + k]; };
      if (type == "dense") {
        next[k] = in(0) + b(0);
      } else if (type == "lstm") {  // i f c o
        const auto sum = [&](std::size_t gate) { return in(gate) + back(gate) + b(gate); };
        c[k] = sigmoid_of(sum(1)) * c[k] + sigmoid_of(sum(0)) * std::tanh(sum(2));
        next[k] = sigmoid_of(sum(3)) * std::tanh(c[k]);
      } else {  // z r h
        const auto sum = [&](std::size_t gate) { return in(gate) + back(gate) + b(gate) + b(3 + gate); };
        const double z = sigmoid_of(sum(0)), r = sigmoid_of(sum(1));
        const double n = std::tanh(in(2) + b(2) + r * (back(2) + b(5)));
        next[k] = z * h[k] + (1.0 - z) * n;
      }
    }
    return h = next;
  }
};

// All steps of the layers, (T,1,O).
Tensor<double> run(std::vector<Reference> layers, const Tensor<double>& x,
                   const std::function<double(std::size_t, double)>& activation) {
  Numbers result;
  const std::size_t inputs = x.shape()[2];
  for (std::size_t t = 0; t < x.shape()[0]; ++t) {
    Numbers y(x.data() + t * inputs, x.data() + (t + 1) * inputs);
    for (std::size_t l = 0; l < layers.size(); ++l) {
      y = layers[l].step(y);
      for (double& v : y) v = activation(l, v);
    }
    result.insert(result.end(), y.begin(), y.end());
  }
  return from_values(Shape{x.shape()[0], 1, layers.back().units}, result);
}

struct Example {
  std::vector<Reference> layers;
  std::string text;
  Tensor<double> x, y;
};

Example example() {
  Rng rng(11);
  Example e;
  e.layers = {Reference::drawn("lstm", 2, 3, rng), Reference::drawn("gru", 3, 4, rng),
              Reference::drawn("dense", 4, 5, rng), Reference::drawn("dense", 5, 2, rng)};
  e.text = file_of(2, {e.layers[0].text("tanh"), e.layers[1].text(), e.layers[2].text("relu"),
                       e.layers[3].text(), layer("activation", 2, "", "tanh")});
  e.x = some_input(2, rng);
  e.y = run(e.layers, e.x, [](std::size_t l, double v) {
    if (l == 2) return v > 0.0 ? v : 0.0;
    return l == 3 ? std::tanh(v) : v;
  });
  return e;
}

}  // namespace

TEST_CASE("a file of RTNeural computes what its numbers say") {
  const ScratchFolder folder;
  const Example e = example();
  const std::string path = write(folder, e.text);
  const auto model = load_rtneural<double>(path);
  CHECK(model.input_size() == 2);
  CHECK(largest_difference(model(Var<double>(e.x)).value(), e.y) < 1e-13);
  const auto in_float = load_rtneural<float>(path);
  const Var<float> x(convert_tensor<float>(e.x));
  CHECK(largest_difference(convert_tensor<double>(in_float(x).value()), e.y) < 1e-5);
  CHECK(largest_difference(convert_tensor<double>(convert<float>(model)(x).value()), e.y) < 1e-5);
  CHECK(summary(model).find("Gru") != std::string::npos);
  auto copy = clone(model);
  for (Var<double>& p : parameters(copy)) p.mutable_value() *= 2.0;
  CHECK(largest_difference(model(Var<double>(e.x)).value(), e.y) < 1e-13);
  CHECK(largest_difference(copy(Var<double>(e.x)).value(), e.y) > 0.1);
}

TEST_CASE("a file of RTNeural written and read again has the same bits") {
  const ScratchFolder folder;
  const std::string first = write(folder, example().text), second = folder.file("second.json"),
                    third = folder.file("third.json");
  const auto check = [&]<class S>(S) {
    const auto model = load_rtneural<S>(first);
    save_rtneural(second, model);
    const auto again = load_rtneural<S>(second);
    CHECK(all_weights<S>(again) == all_weights<S>(model));
    save_rtneural(third, again);
    CHECK(read(third) == read(second));
  };
  check(0.0F);
  check(0.0);
}

TEST_CASE("layers of one's own are written for RTNeural and read back") {
  const ScratchFolder folder;
  Rng rng(3);
  const std::string path = folder.file("own.json");
  const Tensor<double> x = some_input(2, rng);
  const auto check = [&](const auto& recurrent, const Linear<double>& head) {
    save_rtneural(path, recurrent, head);
    const auto model = load_rtneural<double>(path);
    const Var<double> want = head(recurrent(Var<double>(x)).output);
    CHECK(largest_difference(model(Var<double>(x)).value(), want.value()) < 1e-14);
  };
  for (const Bias bias : {Bias::none, Bias::single, Bias::both}) {
    check(Lstm<double>({.input = 2, .hidden = 3, .bias = bias}, {.layers = 2}, rng),
          Linear<double>(3, 1, rng));
    check(Gru<double>({.input = 2, .hidden = 3, .bias = bias}, {.layers = 2}, rng),
          Linear<double>(3, 4, rng, {.bias = false}));
  }
  const RtNeuralModel<double> model(Linear<double>(2, 3, rng), Activation::elu(),
                                    Activation("softmax", [](const auto& v) { return softmax(v); }));
  save_rtneural(path, model);
  CHECK(freeze(load_rtneural<double>(path)).step(std::vector<double>{x(0, 0, 0), x(0, 0, 1)})[2] ==
        Approx(model(Var<double>(x)).value()(0, 0, 2)));
  CHECK(largest_difference(load_rtneural<double>(path)(Var<double>(x)).value(),
                           model(Var<double>(x)).value()) == 0.0);
}

TEST_CASE("a model of RTNeural learns, is frozen and becomes C") {
  const ScratchFolder folder;
  const Example e = example();
  const std::string path = write(folder, e.text);
  auto model = load_rtneural<float>(path);
  {
    Tape tape;
    tape.backward(sum(square(model(Var<float>(convert_tensor<float>(e.x))))));
    for (const auto& p : parameters(model)) CHECK(p.has_grad());
  }
  auto stream = freeze(model);
  export_c(model, folder.file("voice.c"));
  CModel compiled(folder.path().string(), "voice");
  for (std::size_t t = 0; t < kSteps; ++t) {
    const float x[2] = {static_cast<float>(e.x(t, 0, 0)), static_cast<float>(e.x(t, 0, 1))};
    const auto y = stream.step(x);
    float in_c[2];
    compiled.step(x, in_c);
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(std::abs(static_cast<double>(y[k]) - e.y(t, 0, k)) < 1e-5);
      CHECK(std::abs(static_cast<double>(in_c[k]) - e.y(t, 0, k)) < 1e-5);
    }
  }
}

TEST_CASE("a file of RTNeural that is not known to the last number is refused, with all that is wrong") {
  const ScratchFolder folder;
  Rng rng(5);
  const auto refuses = [&](const std::string& text, const auto& what) {
    CHECK_THROWS_WITH(load_rtneural<float>(write(folder, text)), what);
  };
  const Reference lstm = Reference::drawn("lstm", 1, 2, rng), dense = Reference::drawn("dense", 2, 1, rng);
  refuses(
      file_of(1, {lstm.text("sigmoid"), layer("conv1d", 2, ""), dense.text("swish")}),
      Contains("[load_rtneural] ") &&
          Contains("layers[0].activation: expected 'tanh' or '', got 'sigmoid'") &&
          Contains("layers[1].type: expected lstm, gru, dense") && Contains("got 'conv1d'") &&
          Contains("layers[2].activation: expected tanh, relu, sigmoid, elu, softmax or '', got 'swish'"));
  refuses(file_of(3, {lstm.text()}),
          Contains("layers[0].weights[0]: expected a list of 3 lists of 8 numbers, "
                   "got a list of 1"));
  refuses(file_of(1, {layer("lstm", 2, rows(lstm.kernel, 8) + "," + rows(lstm.recurrent, 8))}),
          Contains("layers[0].weights: expected a list of 3, got a list of 2"));
  refuses(file_of(1, {layer("lstm", 2, rows(lstm.kernel, 8) + "," + rows(lstm.recurrent, 8) + ",[1,2]")}),
          Contains("layers[0].weights[2]: expected a list of 8 numbers, got a list of 2"));
  refuses(file_of(1, {layer("dense", 1, "[[null]],[1]")}),
          Contains("layers[0].weights[0][0]: expected numbers that a float holds, got null"));
  refuses(file_of(1, {layer("dense", 1, "[[1e39]],[1]")}), Contains("that a float holds, got 1e+39"));
  refuses(file_of(1, {layer("dense", 1, "[[1e999]],[1]")}), Contains("expected JSON"));
  refuses(file_of(1, {}), Contains("layers: expected a list of layers, got a list of 0"));
  refuses(R"({"layers":3})",
          Contains("in_shape: expected a value, got none; layers: expected a list of layers"));
  refuses("[1]", Contains("expected a JSON object, got a list of 1"));
  refuses("{\"in_shape\":", Contains("expected JSON, got something else at byte"));
  refuses(file_of(1, {layer("dense", 1, std::string(100, '[') + std::string(100, ']'))}),
          Contains("at most 8 deep"));
  std::vector<std::string> many(40, layer("\\u001b[31mred", 1, ""));
  refuses(file_of(1, many), Contains("got '\\x1b[31mred'") && Contains("and 32 more"));
  CHECK_THROWS_AS(load_rtneural<float>(folder.file("none.json")), FileError);
}

TEST_CASE("what the file of RTNeural does not have is not written") {
  const ScratchFolder folder;
  Rng rng(5);
  const std::string path = folder.file("model.json");
  const Linear<float> head(3, 1, rng);
  const auto refuses = [&](const auto& recurrent, const char* what) {
    CHECK_THROWS_WITH(save_rtneural(path, recurrent, head), Contains("[save_rtneural] ") && Contains(what));
  };
  refuses(Lstm<float>({.input = 1, .hidden = 3, .peepholes = true}, rng), "peepholes");
  refuses(Lstm<float>({.input = 1, .hidden = 4, .projection = 3}, rng), "projection");
  refuses(Lstm<float>({.input = 1, .hidden = 3}, {.bidirectional = true}, rng), "both directions");
  refuses(Lstm<float>({.input = 1, .hidden = 3}, {.zoneout_hidden = 0.1}, rng), "zoneout");
  refuses(Gru<float>({.input = 1, .hidden = 3, .reset = GruReset::before}, rng), "reset before");
  refuses(Gru<float>({.input = 1, .hidden = 3, .update = GruUpdate::z_updates}, rng), "z_updates");
  refuses(Gru<float>({.input = 1, .hidden = 3, .activation = Activation::relu()}, rng), "activation");
  refuses(Gru<float>({.input = 1, .hidden = 2}, rng), "layer 1: expected 2 inputs");
  const Gru<float> learned({.input = 1, .hidden = 3}, {.learn_initial_states = true}, rng);
  save_rtneural(path, learned, head);
  States<Var<float>> states = learned.learned_states();
  states[0].mutable_value()(0, 1) = 0.5F;
  refuses(learned, "initial states of 0");
  CHECK_THROWS_WITH(
      save_rtneural(path, RtNeuralModel<float>(Linear<float>(1, 1, rng),
                                               Activation("tanh", [](const auto& v) { return v * 2.0; }))),
      Contains("got 'tanh'"));
  Linear<double> broken(1, 1, rng);
  for (const double value : {std::nan(""), 1e39}) {
    broken.weight.mutable_value()(0, 0) = value;
    CHECK_THROWS_WITH(save_rtneural(path, RtNeuralModel<double>(share(broken))),
                      Contains("[save_rtneural] weights: expected numbers that a float holds, got "));
  }
  CHECK_THROWS_WITH(save_rtneural(path, RtNeuralModel<float>()),
                    Contains("expected one with weights, got none"));
  CHECK_THROWS_WITH(save_rtneural(path, RtNeuralModel<float>(Linear<float>(1, 1, rng), Activation::gelu())),
                    Contains("expected tanh, relu, sigmoid, elu or softmax, got 'gelu'"));
}
