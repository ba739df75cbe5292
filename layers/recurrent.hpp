// Recurrent<Cell>: a sequence layer from one cell's step().
#pragma once

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "framework/anomaly.hpp"
#include "framework/ops.hpp"
#include "framework/random.hpp"
#include "layers/module.hpp"
#include "layers/recurrent/cell.hpp"
#include "layers/recurrent/cell_of.hpp"
#include "layers/recurrent/compiled.hpp"
#include "layers/recurrent/init.hpp"
#include "layers/recurrent/last.hpp"
#include "layers/recurrent/options.hpp"
#include "layers/recurrent/packed_sequence.hpp"
#include "layers/recurrent/recompute.hpp"

namespace unroll {

// A recurrent layer made from a cell: a struct with
//   using Scalar = S (or its first template argument), a member options with .input and .hidden, Cell(),
//   Cell(options, Rng&), State step(x (B,I), State) const, and a member list each().
// The type of options does not depend on S (convert() copies it): CellSizes, or the cell's own struct. State
// is Var<S> (B,H), or a struct of Vars with a member h and its own each(). Optional members of a cell:
//
//   zero_state(B), output_size()    if not every Var of the state is (B,options.hidden)
//
//   step(x, State, h_read)          for cells that use h outside W_hh: only the W_hh products read h_read
//                                   (h after recurrent dropout)
//
//   gates()                         the names of the gates stacked in its weights, for verify
//
//   kernel(), unsupported_option()  a hand-derived kernel (layers/recurrent/kernel.hpp) that replaces the
//                                   steps, and the first option that it does not support
//
// Every option with its equations: layers/recurrent.md.
//
// Input (T,B,I) -> output (T,B,H) and the final states. Parameters have PyTorch's names: the cell's name with
// _l0, _l1 .. for the layer and _reverse for the backward direction; learned initial states h0_l0, c0_l0 ..
template <class Cell>
class Recurrent : public MoveOnly {
 public:
  using Scalar = scalar_t<Cell>;
  using S = Scalar;
  using State = state_t<Cell>;
  using CellOptions = decltype(Cell::options);
  using Inputs = RecurrentInputs<State>;
  using Output = RecurrentOutput<S, State>;
  using Trace = RecurrentTrace<S, State>;
  static constexpr const char* kName = detail::name_of<Cell>();

  Recurrent() = default;
  UNROLL_MOVE_ONLY(Recurrent)
  // Throws ArgumentError for sizes below 1, options out of range, and Path::fused if the kernel does not
  // support the options.
  Recurrent(CellOptions cell, Rng& rng) : Recurrent(std::move(cell), RecurrentOptions{}, rng) {}
  Recurrent(CellOptions cell, RecurrentOptions options, Rng& rng);

  // Runs the layer on x (T,B,I), or (B,T,I) with batch_first. Throws ShapeError for other shapes,
  // ArgumentError for lengths outside 0..T.
  Output operator()(const Var<S>& x, const Inputs& given = {}) const { return run(x, given, nullptr); }
  // An input of the other scalar type does not compile.
  template <class Other>
  requires(!std::is_same_v<Other, S>) Output operator()(const Var<Other>&, const Inputs& = {}) const {
    static_assert(std::is_same_v<Other, S>,
                  "[Recurrent.forward] input: expected the layer's scalar type; float and double do not mix "
                  "(convert the input by convert_tensor<S>(), or the layer by convert<S>())");
    return {};
  }

  // Does the same and returns the states after every step.
  Trace with_all_states(const Var<S>& x, const Inputs& given = {}) const;

  // Runs one step of a stream: x (B,I) and the previous states (empty: the initial ones) -> output (B,H) and
  // the next states, as for a sequence of one step. Throws ArgumentError for a bidirectional layer.
  Output step(const Var<S>& x, const States<State>& states = {}) const;

  // Returns the path that a call of several steps takes now.
  Path path() const {
    if (runs_kernel()) return Path::fused;
    return why_not_compiled().empty() ? Path::compiled : Path::tape;
  }
  // Returns why a call cannot take the fused path now, such as an unsupported option; null if it can.
  const char* fallback_reason() const noexcept {
    const char* option = option_fallback_reason();
    return option == nullptr && DetectNonfinite::active() ? "DetectNonfinite" : option;
  }
  // Returns why it cannot run compiled; empty if it can.
  std::string why_not_compiled() const;
  // Forces a path. Throws ArgumentError for Path::fused if the kernel does not support the options.
  void set_path(Path path) {
    require_path(path);
    options_.path = path;
  }
  // Throws ArgumentError for a bidirectional layer: `function` sees only a part of the sequence.
  void require_one_direction(const char* function) const {
    if (options_.bidirectional) detail::throw_one_direction(name(), function);
  }
  // Restarts the random numbers of dropout and zoneout: the same seed gives the same masks.
  void reseed(std::uint64_t seed) { rng_ = Rng(seed); }

  const RecurrentOptions& options() const& noexcept { return options_; }
  RecurrentOptions options() && { return std::move(options_); }
  std::size_t directions() const noexcept { return options_.bidirectional ? 2 : 1; }
  std::size_t input_size() const {
    require_cells("input_size");
    return static_cast<std::size_t>(cells_.front().options.input);
  }
  // The features of the output: directions * H (or the projection's size).
  std::size_t output_size() const {
    require_cells("output_size");
    return detail::output_size(cells_.back()) * directions();
  }
  const std::vector<Cell>& cells() const& noexcept { return cells_; }
  std::vector<Cell>& cells() & noexcept { return cells_; }
  std::vector<Cell> cells() && noexcept { return std::move(cells_); }
  // Learned initial states, each Var (1,H), one for each of cells(); empty: they are zeros.
  const States<State>& learned_states() const& noexcept { return learned_; }
  States<State> learned_states() && noexcept { return std::move(learned_); }
  std::string extra_repr() const;

  bool training = true;

  static void each(auto& self, auto&& visit) {
    visit("options", self.options_);
    visit("training", self.training);
    visit("rng", self.rng_);
    // The counts are settings too: a copy sets them first and then fills the members.
    std::size_t cells = self.cells_.size(), learned = self.learned_.size();
    visit("cells", cells);
    visit("learned", learned);
    if constexpr (!std::is_const_v<std::remove_reference_t<decltype(self)>> &&
                  std::default_initializable<Cell>) {
      self.cells_.resize(cells);
      self.learned_.resize(learned);
    }
    for (std::size_t k = 0; k < self.cells_.size(); ++k) {
      const std::string suffix =
          "_l" + std::to_string(k / self.directions()) + (k % self.directions() == 1 ? "_reverse" : "");
      std::remove_const_t<Cell>::each(self.cells_[k], [&](const std::string& name, auto& member) {
        visit(name == "training" ? name : name + suffix, member);  // set_training() goes by that name
      });
      if (k >= self.learned_.size()) continue;
      for_each_named_in_state(self.learned_[k],
                              [&](const std::string& name, auto& var) { visit(name + "0" + suffix, var); });
    }
  }

 private:
  detail::LayerName name() const {
    return {kName, cells_.empty() ? "" : detail::first_parameter_name(cells_[0])};
  }

  // Throws ArgumentError for a layer without cells, that is, default-constructed or moved-from.
  void require_cells(const char* function) const {
    const std::size_t want = static_cast<std::size_t>(options_.layers) * directions();
    if (cells_.size() != want || cells_.front().options.input < 1)
      detail::throw_no_cells(name(), function, want, cells_.size());
  }

  const char* option_fallback_reason() const noexcept {
    if constexpr (!detail::HasKernel<Cell>) return "a cell without a hand-derived kernel";
    if constexpr (requires(const Cell& cell) { cell.unsupported_option(); }) {
      for (const Cell& cell : cells_)
        if (const char* option = cell.unsupported_option()) return option;
    }
    return detail::regularizer_option(options_, training);
  }

  bool runs_kernel() const noexcept {
    return (options_.path == Path::automatic || options_.path == Path::fused) && fallback_reason() == nullptr;
  }
  // Returns an option that needs the tape, or null.
  const char* tape_option() const noexcept {
    if (options_.path == Path::tape) return "Path::tape";
    return DetectNonfinite::active() ? "DetectNonfinite" : nullptr;
  }
  void require_path(Path path) const {
    if (path == Path::fused && option_fallback_reason() != nullptr)
      detail::throw_not_covered(name(), path, option_fallback_reason());
  }

  // Nothing is kept without a recording tape; DetectNonfinite needs the original time step.
  bool recomputes() const noexcept {
    if (!Tape::is_recording() || DetectNonfinite::active()) return false;
    return options_.requests_checkpoints() || (options_.checkpoint_automatically && !runs_kernel());
  }

  Output run(const Var<S>& x, const Inputs& given, States<State>* all_states) const;
  // Runs all layers on two threads, from and to sequence and states; returns false if that would not pay.
  bool run_stack(Var<S>& sequence, States<State>& states, const detail::PackedSequence& plan) const;
  using Results = std::array<detail::LayerResult<S, State>, 2>;  // by direction
  Results run_layer(std::size_t layer, const Var<S>& x, const States<State>& states,
                    const detail::PackedSequence& plan, bool all_states, LayerScope& scope) const;
  VarList<S> run_cell(const Cell& cell, const Var<S>& x, const State& state, const bptt::BatchLayout& steps,
                      bool all_states, LayerScope& scope) const;
  States<State> initial_states(const detail::LayerName& layer, const detail::PackedSequence& plan,
                               const States<State>& given) const;

  RecurrentOptions options_;
  std::vector<Cell> cells_;
  States<State> learned_;  // initial states (1,H), one per cell; empty: zeros
  mutable Rng rng_{0};     // for dropout and zoneout
};

// Defined outside the class, so that those of the library's cells are compiled only in the library.

template <class Cell>
Recurrent<Cell>::Recurrent(CellOptions cell, RecurrentOptions options, Rng& rng)
    : options_(std::move(options)), rng_(rng.split()) {
  detail::check_recurrent_options({kName}, options_, detail::has_inner_state<State>());
  if (!options_.widths.empty()) options_.layers = static_cast<Index>(options_.widths.size());
  for (Index layer = 0; layer < options_.layers; ++layer) {
    if (!options_.widths.empty()) {
      const Index width = options_.widths[static_cast<std::size_t>(layer)];
      cell.hidden = static_cast<decltype(cell.hidden)>(width);
    }
    detail::check_cell_sizes(kName, static_cast<Index>(cell.input), static_cast<Index>(cell.hidden));
    for (std::size_t direction = 0; direction < directions(); ++direction) {
      cells_.emplace_back(cell, rng);
      if (!options_.learn_initial_states) continue;
      learned_.push_back(zero_state(cells_.back(), 1));
      for_each_named_in_state(learned_.back(), [](const std::string& name, Var<S>& var) {
        var = parameter(var.value(), name + "0");
      });
    }
    // The next layer reads this layer's output, whose size only the cell knows (projection).
    cell.input = static_cast<decltype(cell.input)>(detail::output_size(cells_.back()) * directions());
  }
  require_path(options_.path);
}

template <class Cell>
auto Recurrent<Cell>::with_all_states(const Var<S>& x, const Inputs& given) const -> Trace {
  States<State> all;
  Output result = run(x, given, &all);
  return {std::move(result.output), std::move(result.states), std::move(all)};
}

template <class Cell>
auto Recurrent<Cell>::step(const Var<S>& x, const States<State>& states) const -> Output {
  require_one_direction("step");
  if (detail::tracing && states.size() == cells_.size())
    return detail::step_by_ops<Output>(cells_, options_, training, x, states, rng_);
  Output result = run(unsqueeze(x, options_.batch_first ? 1 : 0), {.states = states, .lengths = {}}, nullptr);
  result.output = squeeze(result.output, {options_.batch_first ? 1 : 0});
  return result;
}

template <class Cell>
std::string Recurrent<Cell>::extra_repr() const {
  require_cells("extra_repr");
  return detail::describe_layer(options_, {input_size(), output_size()}, runs_kernel(), fallback_reason(),
                                runs_kernel() ? "" : why_not_compiled(),
                                detail::has_few_weights<S>(detail::CellOf<Cell>(cells_.front())));
}

template <class Cell>
std::string Recurrent<Cell>::why_not_compiled() const {
  if (cells_.empty()) return "a layer without cells";
  if (const char* option = tape_option()) return option;
  const detail::CellOf<Cell> cell(cells_.front());
  const detail::StepRegularizer regularizer(options_, training);
  return detail::compile_step<S>(cell, regularizer, input_size() + regularizer.columns<S>(cell)).failure;
}

template <class Cell>
auto Recurrent<Cell>::run(const Var<S>& x, const Inputs& given, States<State>* all_states) const -> Output {
  const detail::LayerName layer_name = name();
  require_cells("forward");
  detail::check_cells_fit(layer_name, cells_, directions());
  if constexpr (requires(const Cell& cell) { cell.check_parameters(layer_name); }) {
    for (const Cell& cell : cells_) cell.check_parameters(layer_name);
  }
  LayerScope scope(kName, layer_name.parameter);
  const auto plan =
      detail::pack_sequence(layer_name, x.shape(), input_size(), options_.batch_first, given.lengths);
  require_path(options_.path);
  States<State> states = initial_states(layer_name, plan, given.states);

  Var<S> sequence = options_.batch_first ? transpose(x, 0, 1) : x;
  const auto width = static_cast<Index>(input_size());
  if (plan.ragged) sequence = index_select(reshape(sequence, {-1, width}), 0, *plan.pack);
  // The output in the caller's form: padded again, axes in the caller's order.
  const auto restored = [&](Var<S> v) {
    if (plan.ragged) v = plan.padded(v);
    return options_.batch_first ? transpose(v, 0, 1) : v;
  };
  const bool done = all_states == nullptr && run_stack(sequence, states, plan);
  for (std::size_t layer = 0; !done && layer < static_cast<std::size_t>(options_.layers); ++layer) {
    if (layer > 0 && options_.dropout > 0.0 && training) sequence = dropout(sequence, options_.dropout, rng_);
    Results results = run_layer(layer, sequence, states, plan, all_states != nullptr, scope);
    for (std::size_t direction = 0; direction < directions(); ++direction) {
      auto& result = results[direction];
      states[layer * directions() + direction] = std::move(result.state);
      if (all_states != nullptr) all_states->push_back(map_state(*result.all, restored));
    }
    sequence = results[0].output;
    if (directions() == 2) sequence = concat({sequence, results[1].output}, -1);
  }
  for (State& state : states) {
    if (plan.restore)
      state = map_state(state, [&](const Var<S>& v) { return index_select(v, 0, *plan.restore); });
  }
  return {restored(std::move(sequence)), std::move(states)};
}

template <class Cell>
bool Recurrent<Cell>::run_stack(Var<S>& sequence, States<State>& states,
                                const detail::PackedSequence& plan) const {
  if constexpr (detail::HasKernel<Cell>) {
    const bool one_op = options_.layers > 1 && directions() == 1 && runs_kernel() && !recomputes();
    if (!one_op || (options_.dropout > 0.0 && training)) return false;
    return detail::run_fused_stack<Cell>(cells_, sequence, states, plan.layout(false));
  }
  return false;
}

template <class Cell>
auto Recurrent<Cell>::run_layer(std::size_t layer, const Var<S>& x, const States<State>& states,
                                const detail::PackedSequence& plan, bool all_states, LayerScope& scope) const
    -> Results {
  const std::size_t first = layer * directions();
  if constexpr (detail::HasKernel<Cell>) {
    // Recomputation runs the directions one after the other, because the second run records on this thread.
    if (runs_kernel() && !recomputes()) {
      if (directions() == 2)
        return detail::run_fused_directions<Cell>(std::span<const Cell, 2>(&cells_[first], 2), x,
                                                  std::span<const State, 2>(&states[first], 2),
                                                  {plan.layout(false), plan.layout(true)}, all_states);
      const State& state = states[first];
      const auto outputs = detail::run_fused(cells_[first], x, state, plan.layout(false), all_states);
      return {detail::layer_result(outputs, state, all_states)};
    }
  }
  Results results;
  for (std::size_t direction = 0; direction < directions(); ++direction) {
    const State& state = states[first + direction];
    const auto outputs =
        run_cell(cells_[first + direction], x, state, plan.layout(direction == 1), all_states, scope);
    results[direction] = detail::layer_result(outputs, state, all_states);
  }
  return results;
}

template <class Cell>
VarList<scalar_t<Cell>> Recurrent<Cell>::run_cell(const Cell& typed, const Var<S>& input, const State& state,
                                                  const bptt::BatchLayout& steps, bool all_states,
                                                  LayerScope& scope) const {
  detail::StepMode mode{.fused = runs_kernel(), .all_states = all_states};
  const bool forced = options_.path == Path::compiled && !DetectNonfinite::active();
  const char* tape_only = tape_option();
  if (forced && tape_only != nullptr) detail::throw_not_covered(name(), Path::compiled, tape_only);
  const bool pays = steps.count() >= 4;  // for a trace
  mode.compiled = !mode.fused && tape_only == nullptr && (forced || pays);
  if (!mode.fused) mode.regularizer = {options_, training};
  const detail::CellOf<Cell, detail::HasKernel<Cell>> cell(typed, state);
  const Var<S> x = mode.regularizer.with_masks<S>(cell, input, steps, rng_);
  const VarList<S> initial = detail::vars_of(state);
  if (mode.compiled && steps.total > 0) {
    const auto step = detail::compile_step<S>(cell, mode.regularizer, x.shape().back());
    mode.compiled = step.program != nullptr;
    if (forced && !mode.compiled) detail::throw_not_covered(name(), Path::compiled, step.failure.c_str());
    if (mode.compiled && !options_.requests_checkpoints())
      return detail::run_compiled<S>(cell, mode.regularizer, step, x, initial, steps, all_states);
  }
  if (recomputes() && steps.count() > 1 && steps.total > 0)
    return detail::run_recomputed<S>(cell, x, initial, steps, mode, options_, cells_.size());
  return detail::run_steps<S>(cell, x, initial, steps, mode, &scope);
}

template <class Cell>
auto Recurrent<Cell>::initial_states(const detail::LayerName& layer, const detail::PackedSequence& plan,
                                     const States<State>& given) const -> States<State> {
  States<State> states;
  for (std::size_t k = 0; k < cells_.size(); ++k) {
    states.push_back(zero_state(cells_[k], plan.batch));
    detail::check_zero_state(layer, cells_[k], states.back(), plan.batch);
    if (!given.empty() || learned_.empty()) continue;
    states[k] = map_states(states[k], learned_[k], [](const Var<S>& zero, const Var<S>& one) {
      return broadcast_to(one, zero.shape());
    });
  }
  if (given.empty()) return states;
  if (given.size() != states.size()) detail::throw_state_count(layer, states.size(), given.size());
  for (std::size_t k = 0; k < states.size(); ++k) {
    detail::check_given_state(layer, k, states[k], given[k]);
    states[k] = map_state(given[k], [&](const Var<S>& initial) {
      return plan.order ? index_select(initial, 0, *plan.order) : initial;
    });
  }
  return states;
}

}  // namespace unroll
