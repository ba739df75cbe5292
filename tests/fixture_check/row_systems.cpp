// Seed 000's LSTM, and 002 and 003's simple RNN and classifier: sequences of rows (batch,T,features).
#include <fmt/format.h>

#include "layers/losses.hpp"
#include "optim/sgd.hpp"
#include "registry.hpp"
#include "seeds/literal.hpp"
#include "seeds/seed_layers.hpp"

namespace unroll::oracle {
namespace {

using Leaves = std::map<std::string, Var<double>>;

Var<double>& add(Leaves& leaves, Fixture& fixture, const std::string& group, const std::string& name,
                 const Shape& shape) {
  want_shape(fixture, group + "/" + name, shape);
  return leaves[name] = leaf(fixture, group + "/" + name);
}

void compare_gradients(Comparison& compare, const Leaves& leaves) {
  for (const auto& [name, var] : leaves) compare.equal("grads/" + name, gradient(var));
}

std::vector<Var<double>> in_order(const Leaves& leaves) {
  std::vector<Var<double>> list;
  for (const auto& [name, var] : leaves) list.push_back(var);
  return list;
}

// One p -= lr dp, if the file has a learning rate.
void compare_updated(Fixture& fixture, Comparison& compare, const Leaves& parameters) {
  if (!fixture.has_option("lr")) return;
  Sgd<double> sgd(in_order(parameters), {.lr = fixture.get<double>("lr")});
  sgd.step();
  for (const auto& [name, var] : parameters) compare.equal("outputs/updated_" + name, var);
}

void check_lstm_rows(Fixture& fixture, Check& check) {
  const auto batch = fixture.get<std::size_t>("batch"), steps = fixture.get<std::size_t>("T"),
             input = fixture.get<std::size_t>("D"), hidden = fixture.get<std::size_t>("H");
  check.both_paths([&](Comparison& compare, Path path) {
    Leaves parameters, inputs;
    Tape tape;
    const auto gate = [&](const std::string& name) {
      return seeds::gate_from_rows(add(parameters, fixture, "params", "W" + name, {input, hidden}),
                                   add(parameters, fixture, "params", "U" + name, {hidden, hidden}),
                                   add(parameters, fixture, "params", "b" + name, {hidden}));
    };
    const auto lstm = seeds::make_lstm({.f = gate("f"), .i = gate("i"), .o = gate("o"), .c = gate("c")},
                                       {.batch_first = true, .path = path});
    const Var<double> x = add(inputs, fixture, "inputs", "x", {batch, steps, input});
    const Var<double> h0 = add(inputs, fixture, "inputs", "h0", {batch, hidden});
    const Var<double> c0 = add(inputs, fixture, "inputs", "c0", {batch, hidden});
    const auto result = lstm(x, {.states = {{h0, c0}}, .lengths = {}});
    const Tensor<double> cells = seeds::cell_states(lstm, transpose(x, 0, 1).value(), h0.value(), c0.value());
    Var<double> loss(zeros<double>({}));
    if (has_upstream(fixture, "dh")) {
      want_shape(fixture, "cotangents/dh", result.output.shape());
      loss = loss + sum(Var<double>(fixture.tensor("cotangents/dh")) * result.output);
    }
    if (has_upstream(fixture, "dc_last")) {
      want_shape(fixture, "cotangents/dc_last", {batch, hidden});
      loss = loss + sum(Var<double>(fixture.tensor("cotangents/dc_last")) * result.states[0].c);
    }
    compare.equal("outputs/h", result.output);
    compare.equal("outputs/c", transpose(Var<double>(cells), 0, 1));
    compare.equal("outputs/loss", loss);
    tape.backward(loss);
    compare_gradients(compare, parameters);
    compare_gradients(compare, inputs);
    // The seed runs one step of one example and prints shapes without the axes of batch and time.
    const Tensor<double> state = zeros<double>({hidden});
    compare.published({{"h1", state},
                       {"c1", state},
                       {"dx", zeros<double>({input})},
                       {"dh_prev", state},
                       {"dc_prev", state},
                       {"dWf", parameters.at("Wf").grad()},
                       {"Backward pass outputs:", std::string()}});
    compare_updated(fixture, compare, parameters);
  });
}

void check_simple_rnn(Fixture& fixture, Check& check) {
  const auto batch = fixture.get<std::size_t>("batch"), steps = fixture.get<std::size_t>("T"),
             features = fixture.get<std::size_t>("n_features"), nodes = fixture.get<std::size_t>("n_nodes");
  const bool has_literal = !fixture.names("literal").empty();
  const auto literal = [&] {
    return seeds::seed002_backward(
        {fixture.tensor("inputs/x"), fixture.tensor("inputs/h0"), fixture.tensor("params/w_x"),
         fixture.tensor("params/w_h"), fixture.tensor("params/b")},
        fixture.get<double>("lr"));
  };
  check.both_paths([&](Comparison& compare, Path path) {
    Leaves parameters, inputs;
    Tape tape;
    const auto gate = seeds::gate_from_rows(add(parameters, fixture, "params", "w_x", {features, nodes}),
                                            add(parameters, fixture, "params", "w_h", {nodes, nodes}),
                                            add(parameters, fixture, "params", "b", {nodes}));
    const auto rnn = seeds::make_rnn(gate, {.batch_first = true, .path = path});
    const Var<double> x = add(inputs, fixture, "inputs", "x", {batch, steps, features});
    const Var<double> h0 = add(inputs, fixture, "inputs", "h0", {batch, nodes});
    const auto result = rnn(x, {.states = {h0}, .lengths = {}});
    const Var<double> last_h = result.states[0];
    const bool dh = has_upstream(fixture, "dh"), dh_last = has_upstream(fixture, "dh_last");
    Var<double> loss(zeros<double>({}));
    if (dh) loss = loss + sum(Var<double>(fixture.tensor("cotangents/dh")) * result.output);
    if (dh_last) loss = loss + sum(Var<double>(fixture.tensor("cotangents/dh_last")) * last_h);
    // The seed hands h_T itself to backward().
    if (fixture.loss().find("h_T^2") != std::string::npos || (!dh && !dh_last)) {
      loss = loss + 0.5 * sum(square(last_h));
    }
    compare.equal("outputs/h", result.output);
    compare.equal("outputs/h_last", last_h);
    compare.equal("outputs/loss", loss);
    tape.backward(loss);
    compare_gradients(compare, parameters);
    compare_gradients(compare, inputs);
    std::vector<Tensor<double>> bare{last_h.value()};
    if (has_literal) bare.push_back(literal().dz);
    compare.published({{"Final hidden state:", last_h.value()}}, bare);
    compare_updated(fixture, compare, parameters);
  });
  if (!has_literal) return;
  check.only("literal", [&](Comparison& compare) {
    const seeds::Seed002Result got = literal();
    compare.equal("literal/seed002_dZ", got.dz);
    compare.equal("literal/seed002_w_x_after", got.w_x);
    compare.equal("literal/seed002_w_h_after", got.w_h);
    compare.equal("literal/seed002_b_after", got.b);
  });
}

struct ClassifierSizes {
  std::size_t batch, steps, features, nodes, classes;
};

// One forward pass of 003's classifier: hidden state and logits of every example.
struct ClassifierRun {
  Var<double> h_last, logits, probabilities;
};

void add_classifier_parameters(Leaves& leaves, Fixture& fixture, const ClassifierSizes& s) {
  add(leaves, fixture, "params", "w_x", {s.features, s.nodes});
  add(leaves, fixture, "params", "w_h", {s.nodes, s.nodes});
  add(leaves, fixture, "params", "b", {s.nodes});
  add(leaves, fixture, "params", "w_out", {s.nodes, s.classes});
  add(leaves, fixture, "params", "b_out", {s.classes});
}

ClassifierRun classify(const Leaves& p, const Var<double>& x, Path path) {
  const auto rnn = seeds::make_rnn(seeds::gate_from_rows(p.at("w_x"), p.at("w_h"), p.at("b")),
                                   {.batch_first = true, .path = path});
  ClassifierRun run;
  run.h_last = last(rnn(x));
  run.logits = matmul(run.h_last, p.at("w_out")) + p.at("b_out");
  run.probabilities = softmax(run.logits);
  return run;
}

// What 003 prints: -mean sum y log(p + 1e-7). It differentiates the expression without the 1e-7.
Var<double> printed_loss(const ClassifierRun& run, const Var<double>& target) {
  return -(sum(target * log(run.probabilities + 1e-7)) / static_cast<double>(target.shape(0)));
}

void check_classifier(Fixture& fixture, Check& check) {
  const ClassifierSizes s{fixture.get<std::size_t>("batch"), fixture.get<std::size_t>("T"),
                          fixture.get<std::size_t>("n_features"), fixture.get<std::size_t>("n_nodes"),
                          fixture.get<std::size_t>("n_output")};
  const auto lr = fixture.get<double>("lr");
  const auto epochs = fixture.get<std::size_t>("epochs");
  want_shape(fixture, "inputs/y_true", {s.batch, s.classes});
  const Var<double> target(fixture.tensor("inputs/y_true"));
  const bool has_literal = !fixture.names("literal").empty();
  check.both_paths([&](Comparison& compare, Path path) {
    Leaves parameters, inputs;
    add_classifier_parameters(parameters, fixture, s);
    const Var<double> x = add(inputs, fixture, "inputs", "x", {s.batch, s.steps, s.features});
    {
      Tape tape;
      const ClassifierRun run = classify(parameters, x, path);
      const Var<double> loss = cross_entropy(run.logits, target);
      compare.equal("outputs/y_pred", run.probabilities);
      compare.equal("outputs/h_last", run.h_last);
      compare.equal("outputs/loss", loss);
      tape.backward(loss);
      compare_gradients(compare, parameters);
      compare_gradients(compare, inputs);
    }
    if (has_literal) {
      Tape tape;
      tape.backward(printed_loss(classify(parameters, x, path), target));
      for (const Leaves* leaves : {&parameters, &inputs}) {
        for (const auto& [name, var] : *leaves) {
          compare.equal("literal/grads_of_printed_loss/" + name, gradient(var));
        }
      }
    }
    Tensor<double> losses(Shape{epochs}), printed(Shape{epochs});
    Printed lines;
    Sgd<double> sgd(in_order(parameters), {.lr = lr});
    for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
      Tape tape;
      const ClassifierRun run = classify(parameters, x.detach(), path);
      const Var<double> loss = cross_entropy(run.logits, target);
      losses.data()[epoch] = loss.item();
      printed.data()[epoch] = printed_loss(run, target).item();
      lines[fmt::format("Epoch {}, Loss: ", epoch + 1)] = fmt::format("{:.4f}", printed.data()[epoch]);
      tape.backward(loss);
      sgd.step();
    }
    compare.equal("outputs/loss_per_epoch", losses);
    compare.equal("outputs/printed_loss_per_epoch_with_1e7", printed);
    for (const auto& [name, var] : parameters) compare.equal("outputs/final_" + name, var);
    compare.published(lines);
  });
}

}  // namespace

void add_row_systems(Registry& registry) {
  registry["lstm_rows"] = check_lstm_rows;
  registry["simple_rnn_rows"] = check_simple_rnn;
  registry["simple_rnn_classifier"] = check_classifier;
}

}  // namespace unroll::oracle
