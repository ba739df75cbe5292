// What must hold of every layer, whatever has been drawn.
#pragma once

#include <span>

#include "run.hpp"
#include "tests/layers/threads_allowed.hpp"

namespace unroll::random_layers {

// Layer norm divides by a standard deviation that may be small: it magnifies rounding.
struct Tolerances {
  double same = 1e-12, path = 1e-11, near_float = 1e-4, near_float_gradient = 1e-3;
};

template <class Cell>
class Checks {
 public:
  using Layer = Recurrent<Cell>;
  using CellOptions = typename Layer::CellOptions;
  using State = typename Layer::State;

  Checks(CellOptions cell, const Round& round, Tolerances tolerances = {})
      : cell_(std::move(cell)), round_(round), tolerances_(tolerances) {
    cell_.input = round.input;
    cell_.hidden = round.hidden;
    Rng rng(round.seed);
    Shape shape{round.steps, round.batch, static_cast<std::size_t>(round.input)};
    if (round.options.batch_first) std::swap(shape[0], shape[1]);
    given_ = {random_normal<double>(shape, 0.0, 1.0, rng), {}, round.lengths};
    if (!round.states_given) return;
    const Layer layer = make<Layer>(round.options);
    for (const Cell& each : layer.cells()) {
      const State zero = zero_state(each, round.batch);
      for_each_in_state(zero, [&](const auto& var) {
        given_.states.push_back(random_normal<double>(var.shape(), 0.0, 1.0, rng));
      });
    }
  }

  void run() {
    const test::ThreadsAllowed threads(round_.threads);
    Layer layer = make<Layer>(round_.options);
    layer.training = round_.training;
    with_all_states_ = round_.seed % 2 == 0;
    const auto results = everything(layer, given_, round_.seed, with_all_states_);
    require_finite(results, "results");
    check_behind(results);
    check_paths(layer, results);
    check_recomputation(results);
    check_verify(layer);
    layer.training = false;  // from here on nothing is drawn
    const auto calm = everything(layer, given_, round_.seed, false);
    check_without_tape(layer, calm);
    check_alone(layer, calm);
    check_float(layer, calm);
    if (round_.options.bidirectional) return;
    check_windows(layer, calm);
    check_steps(layer);
    check_stream(layer);
  }

  // Several threads, for which layers must be large, and one: the same bits.
  void run_large() {
    using FloatLayer = decltype(convert<float>(std::declval<const Layer&>()));
    FloatLayer layer = convert<float>(make<Layer>(round_.options));
    const Given<float> given{convert_tensor<float>(given_.x), converted<float>(given_.states),
                             given_.lengths};
    const auto on = [&](int threads) {
      const test::ThreadsAllowed allowed(threads);
      return everything(layer, given, 1, false);
    };
    const auto several = on(round_.threads);
    require_finite(several, "results on several threads");
    require_near(several, on(1), 0.0, "several threads against one");
  }

 private:
  // The same parameters whatever the options are. All are moved a little, so that none is the zero or one
  // that it begins with.
  template <class L>
  L make(const RecurrentOptions& options) const {
    Rng rng(round_.seed);
    L layer(cell_, options, rng);
    for (auto& p : parameters(layer)) {
      auto& value = p.mutable_value();
      for (std::size_t i = 0; i < value.size(); ++i) value.data()[i] += 0.1 * rng.normal();
    }
    return layer;
  }

  std::size_t length(std::size_t b) const {
    return round_.lengths.empty() ? round_.steps : static_cast<std::size_t>(round_.lengths[b]);
  }
  // The place of step t of sequence b in a tensor of the axes of x.
  std::size_t row(std::size_t t, std::size_t b) const {
    return round_.options.batch_first ? b * round_.steps + t : t * round_.batch + b;
  }

  void check_behind(const Results<double>& results) const {
    const auto check = [&](const Tensor<double>& tensor, const char* what) {
      const std::size_t width = tensor.shape()[2];
      for (std::size_t b = 0; b < round_.batch; ++b) {
        for (std::size_t t = length(b); t < round_.steps; ++t) {
          const double* from = tensor.data() + row(t, b) * width;
          require(std::all_of(from, from + width, [](double v) { return v == 0.0; }),
                  std::string(what) + " behind the length: not 0");
        }
      }
    };
    check(results.output, "output");
    check(results.dx, "gradient of x");
    for (const auto& tensor : results.all_states) check(tensor, "all states");
  }

  void check_paths(Layer& layer, const Results<double>& results) const {
    if (layer.path() == Path::tape) return;
    layer.set_path(Path::tape);
    require_near(results, everything(layer, given_, round_.seed, with_all_states_), tolerances_.path,
                 "kernel against tape");
    layer.set_path(round_.options.path);
  }

  void check_recomputation(const Results<double>& results) const {
    if (round_.options.checkpoint_every == 0 && round_.options.checkpoint_bytes == 0) return;
    RecurrentOptions plain = round_.options;
    plain.checkpoint_every = plain.checkpoint_bytes = 0;
    Layer layer = make<Layer>(plain);
    layer.training = round_.training;
    require_near(results, everything(layer, given_, round_.seed, with_all_states_), tolerances_.path,
                 "with checkpoints against without");
  }

  void check_verify(const Layer& layer) const {
    constexpr std::size_t kLargest = 80;  // numbers; their time grows with the square
    std::size_t numbers = given_.x.size();
    for (const auto& p : parameters(layer)) numbers += p.size();
    if (numbers > kLargest || !round_.smooth) return;
    const auto report = verify(layer, given_.x,
                               {.seed = round_.seed, .lengths = round_.lengths, .training = round_.training});
    require(report.ok, report.message);
  }

  void check_without_tape(const Layer& layer, const Results<double>& results) const {
    require_near(values(layer, given_), results, tolerances_.same, "without a tape");
    const Tape tape;
    require_near(values(layer, given_), results, tolerances_.same, "under NoGrad");
  }

  // Sequence b of a tensor of the axes of x, its first `steps` steps.
  Tensor<double> sequence(const Tensor<double>& tensor, std::size_t b, std::size_t steps) const {
    const std::size_t width = tensor.shape()[2];
    Tensor<double> one(round_.options.batch_first ? Shape{1, steps, width} : Shape{steps, 1, width});
    for (std::size_t t = 0; t < steps; ++t)
      std::copy_n(tensor.data() + row(t, b) * width, width, one.data() + t * width);
    return one;
  }
  static std::vector<Tensor<double>> rows(const std::vector<Tensor<double>>& tensors, std::size_t b) {
    std::vector<Tensor<double>> result;
    for (const auto& tensor : tensors) {
      const std::size_t width = tensor.shape()[1];
      result.emplace_back(Shape{1, width});
      std::copy_n(tensor.data() + b * width, width, result.back().data());
    }
    return result;
  }

  // Every sequence by itself gets what it gets in the batch: cut off at its end, and with its padding.
  void check_alone(Layer& layer, const Results<double>& batch) const {
    for (std::size_t b = 0; b < round_.batch; ++b) {
      const auto states = rows(given_.states, b);
      for (const bool padded : {false, true}) {
        const std::size_t steps = padded ? round_.steps : length(b);
        if (steps == 0) continue;
        Given<double> given{sequence(given_.x, b, steps), states, {}};
        if (padded) given.lengths = {static_cast<Index>(length(b))};
        auto alone = everything(layer, given, round_.seed, false);
        const std::string what = "sequence " + std::to_string(b) + (padded ? " alone, padded" : " alone");
        const std::size_t parameters_count = alone.gradients.size() - given_.states.size();
        const auto of_states = [&](const Results<double>& r) {
          return std::vector<Tensor<double>>(
              r.gradients.begin() + static_cast<std::ptrdiff_t>(parameters_count), r.gradients.end());
        };
        const Results<double> want{sequence(batch.output, b, steps),
                                   rows(batch.states, b),
                                   {},
                                   sequence(batch.dx, b, steps),
                                   rows(of_states(batch), b)};
        alone.gradients = of_states(alone);
        require_near(alone, want, tolerances_.same, what);
        require_near(alone.dx, want.dx, tolerances_.same, what + ", gradient of x");
      }
    }
  }

  void check_float(const Layer& layer, const Results<double>& results) const {
    auto narrow = convert<float>(layer);
    narrow.training = false;
    const Given<float> given{convert_tensor<float>(given_.x), converted<float>(given_.states),
                             given_.lengths};
    auto found = everything(narrow, given, round_.seed, false);
    require_finite(found, "results in float");
    if (round_.smooth) {
      require_near(found, results, tolerances_.near_float_gradient, "float against double");
    }
    found.gradients.clear();
    require_near(found, results, tolerances_.near_float, "float against double");
  }

  void check_windows(const Layer& layer, const Results<double>& whole) const {
    std::vector<Var<double>> parts;
    const auto states =
        for_each_window(layer, Var<double>(given_.x), round_.window,
                        {.states = states_of(layer, round_.batch, given_.states), .lengths = given_.lengths},
                        [&](Tape& tape, const auto& result, Window) {
                          tape.backward(sum(square(result.output)));
                          parts.push_back(result.output.detach());
                        });
    const Var<double> output = concat(parts, round_.options.batch_first ? 1 : 0);
    require_near(Results<double>{output.value(), tensors_of(states), {}, {}, {}}, whole, tolerances_.same,
                 "windows against the whole");
  }

  // Step t of all sequences (B,I), in memory of this size and no more.
  std::vector<double> step_of(const Tensor<double>& tensor, std::size_t t) const {
    const std::size_t width = tensor.shape()[2];
    std::vector<double> result(round_.batch * width);
    for (std::size_t b = 0; b < round_.batch; ++b)
      std::copy_n(tensor.data() + row(t, b) * width, width, result.data() + b * width);
    return result;
  }

  void check_steps(const Layer& layer) const {
    const auto whole = values(layer, {given_.x, given_.states, {}});
    auto states = states_of(layer, round_.batch, given_.states);
    for (std::size_t t = 0; t < round_.steps; ++t) {
      const auto x = step_of(given_.x, t), want = step_of(whole.output, t);
      Tensor<double> now(Shape{round_.batch, given_.x.shape()[2]});
      std::copy(x.begin(), x.end(), now.data());
      auto result = layer.step(Var<double>(now), states);
      require(result.output.size() == want.size() &&
                  distance(result.output.data(), want.data(), want.size()) <= tolerances_.same,
              "step " + std::to_string(t) + " against the sequence");
      states = std::move(result.states);
    }
    require_near(Results<double>{whole.output, tensors_of(states), {}, {}, {}}, whole, tolerances_.same,
                 "states after steps");
  }

  void check_stream(const Layer& layer) const {
    const auto whole = values(layer, {given_.x, given_.states, {}});
    Rng rng(round_.seed);
    const Linear<double> head(static_cast<Index>(layer.output_size()), 1 + rng.below(5), rng);
    const StreamOptions options{.batch = static_cast<Index>(round_.batch)};
    auto stream = freeze(layer, options), with_head = freeze(layer, head, options);
    if (!given_.states.empty()) {
      const auto states = states_of(layer, round_.batch, given_.states);
      stream.set_states(states);
      with_head.set_states(states);
    }
    const Tensor<double> mapped = head(Var<double>(whole.output)).value();
    for (std::size_t t = 0; t < round_.steps; ++t) {
      const auto x = step_of(given_.x, t);
      const auto check = [&](Stream<double>& each, const std::vector<double>& want, const char* what) {
        const auto y = each.step(x);
        require(y.size() == want.size() && distance(y.data(), want.data(), want.size()) <= tolerances_.same,
                what + std::to_string(t) + " against the sequence");
      };
      check(stream, step_of(whole.output, t), "stream's step ");
      check(with_head, step_of(mapped, t), "stream's step with a head ");
    }
    const auto states = stream.template states<State>();
    require_near(Results<double>{whole.output, tensors_of(states), {}, {}, {}}, whole, tolerances_.same,
                 "stream's states");
  }

  CellOptions cell_;
  Round round_;
  Tolerances tolerances_;
  Given<double> given_;
  bool with_all_states_ = false;
};

// The checks, with what has been drawn in the message of a mismatch.
template <class Cell>
void check(typename Recurrent<Cell>::CellOptions cell, const Round& round, bool large,
           const std::string& name, Tolerances tolerances = {}) {
  try {
    Checks<Cell> checks(std::move(cell), round, tolerances);
    large ? checks.run_large() : checks.run();
  } catch (const std::exception& e) {
    throw Mismatch(name + ", " + describe(round) + ": " + e.what());
  }
}

}  // namespace unroll::random_layers
