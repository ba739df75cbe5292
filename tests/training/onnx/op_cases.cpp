// Every op of training/onnx/ops.hpp, traced by a generic function, and every activation.
#include <type_traits>

#include "cases.hpp"

using namespace unroll;

namespace {

template <class S, class F>
void add_op(Cases& cases, const std::string& name, F f, double low = -3.0, double high = 3.0) {
  Rng rng(name.size());
  export_onnx(cases.path(name), f, {.input_shape = {"a", 3, 4}});
  std::vector<Run> runs;
  for (const std::size_t rows : {std::size_t{2}, std::size_t{5}}) {
    const Var<S> x(random_uniform<S>({rows, 3, 4}, low, high, rng));
    Run run;
    run.inputs["x"] = to_json(x);
    run.outputs["y"] = to_json(f(x));
    runs.push_back(run);
  }
  cases.add(name, runs);
}

}  // namespace

void write_op_cases(Cases& cases) {
  const auto add = [&](const char* name, auto f, double low = -3.0, double high = 3.0) {
    add_op<float>(cases, std::string("op_") + name, f, low, high);
  };
  add("arithmetic", [](const auto& x) {
    return (2.0 * x + 1.0 - (x - 3.0) * x / 1.5 + (0.5 + x) / (20.0 - x) - (-x)) * (1.0 / (x * 0.1 + 9.0));
  });
  add("exp", [](const auto& x) { return exp(x); });
  add(
      "log", [](const auto& x) { return log(x); }, 0.1, 5.0);
  add(
      "sqrt", [](const auto& x) { return sqrt(x); }, 0.1, 5.0);
  add("square", [](const auto& x) { return square(x); });
  add(
      "pow", [](const auto& x) { return pow(x, 1.7); }, 0.1, 5.0);
  add("abs", [](const auto& x) { return abs(x); });
  add("sin", [](const auto& x) { return sin(x); });
  add("cos", [](const auto& x) { return cos(x); });
  add("tanh", [](const auto& x) { return tanh(x); });
  add("sigmoid", [](const auto& x) { return sigmoid(x); });
  add("relu", [](const auto& x) { return relu(x); });
  add("leaky_relu", [](const auto& x) { return leaky_relu(x, 0.3); });
  add("elu", [](const auto& x) { return elu(x, 0.6); });
  add("gelu", [](const auto& x) { return gelu(x); });
  add("normal_cdf", [](const auto& x) { return normal_cdf(x); });
  add("softplus", [](const auto& x) { return softplus(x); });
  add("clamp", [](const auto& x) { return clamp(x, -0.5, 1.25); });
  add("maximum", [](const auto& x) { return maximum(x, tanh(x) * 2.0) - minimum(x * 0.5, square(x)); });
  add("matmul", [](const auto& x) { return matmul(transpose(x), x); });
  add("sum", [](const auto& x) { return sum(x, {1}) * 0.1; });
  add("sum_keepdims", [](const auto& x) { return x - sum(x, {-1, 1}, true); });
  add("sum_all", [](const auto& x) { return sum(x); });
  add("mean", [](const auto& x) { return mean(x, {0, 2}); });
  add("max", [](const auto& x) { return max(x, {1}); });
  add("min", [](const auto& x) { return min(x, {-1}, true); });
  add("softmax", [](const auto& x) { return softmax(x); });
  add("softmax_axis", [](const auto& x) { return softmax(x, 1); });
  add("log_softmax", [](const auto& x) { return log_softmax(x, 0); });
  add("layer_norm", [](const auto& x) { return layer_norm(x); });
  add("reshape", [](const auto& x) { return reshape(x, {-1, 2, 6}); });
  add("permute", [](const auto& x) { return permute(x, {2, 0, 1}); });
  add("transpose", [](const auto& x) { return transpose(x, 0, 2); });
  add("squeeze", [](const auto& x) { return squeeze(unsqueeze(mean(x, {1}, true), 0), {2, 0}); });
  add("concat", [](const auto& x) {
    using V = std::remove_cvref_t<decltype(x)>;
    return concat(std::vector<V>{x, slice(x, 1, {0, 2}), x * 2.0}, 1);
  });
  add("concat_open_axis", [](const auto& x) {
    using V = std::remove_cvref_t<decltype(x)>;
    return concat(std::vector<V>{x, x * 2.0}, 0);
  });
  add("slice", [](const auto& x) { return slice(slice(x, 2, {-3, -1}), 1, {{}, {}, -2}); });
  add("slice_open_axis", [](const auto& x) { return slice(x, 0, {1, {}}); });
  add("select", [](const auto& x) { return select(select(x, 1, -2), 0, -1); });

  const std::vector<std::pair<const char*, Activation>> activations{
      {"identity", Activation::identity()},
      {"tanh", Activation::tanh()},
      {"sigmoid", Activation::sigmoid()},
      {"relu", Activation::relu()},
      {"gelu", Activation::gelu()},
      {"softplus", Activation::softplus()},
      {"hard_sigmoid", Activation::hard_sigmoid()},
      {"leaky_relu", Activation::leaky_relu(0.15)},
      {"elu", Activation::elu(1.3)}};
  for (const auto& [name, f] : activations) add_op<float>(cases, std::string("activation_") + name, f);
}
