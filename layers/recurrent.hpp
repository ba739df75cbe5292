// Recurrent<Cell>: everything a sequence layer needs, from one cell's step().
#pragma once

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/anomaly.hpp"
#include "framework/ops.hpp"
#include "framework/random.hpp"
#include "layers/bptt/steps.hpp"
#include "layers/module.hpp"
#include "layers/state.hpp"

namespace unroll {

// How a sequence is computed: by the cell's hand-derived kernel, op by op on the tape, or the first if there
// is one.
enum class Path { automatic, fused, tape };
const char* to_string(Path path) noexcept;

struct RecurrentOptions {
  Index layers = 1;            // stacked: each reads the outputs of the one below
  bool bidirectional = false;  // a second set of cells runs backward; outputs are concatenated
  bool batch_first = false;    // input and output (B,T,..) instead of (T,B,..)
  double dropout = 0.0;        // on the outputs of every layer but the last, while training
  Path path = Path::automatic;
};

// What a call may be given beside the input.
template <class State>
struct RecurrentInputs {
  std::vector<State> states = {};   // initial, one per layer and direction (index layer * directions +
                                    // direction); none: zeros
  std::vector<Index> lengths = {};  // (B) steps of each sequence, in any order, 0 allowed; none: all T
};

template <class S, class State>
struct RecurrentOutput {
  Var<S> output;              // (T,B,directions*H), 0 beyond a sequence's length
  std::vector<State> states;  // after each sequence's own last step, ordered as the initial ones
};

// The options of a cell that needs no others.
struct CellSizes {
  Index input = 0, hidden = 0;
};

// The last layer's final hidden state (B,directions*H): what a classifier reads.
template <class S, class State>
Var<S> last(const RecurrentOutput<S, State>& result, bool bidirectional = false) {
  const Var<S>& h = hidden_of<S>(result.states.back());
  if (!bidirectional) return h;
  return concat(std::vector<Var<S>>{hidden_of<S>(result.states[result.states.size() - 2]), h}, 1);
}

namespace detail {

// Sizes and lengths checked, and how the batch is laid out for the time loop.
struct SequencePlan {
  std::size_t steps = 0, batch = 0;
  bool ragged = false;
  std::vector<std::size_t> sorted_lengths;    // longest first; ragged only
  std::optional<IndexTensor> order, restore;  // rows longest first, and back; absent: already so
  IndexTensor pack, unpack;                   // rows of (T*B,..) in packed order, and back; ragged only
};
SequencePlan plan_sequence(const char* layer, const Shape& input, std::size_t input_size, bool batch_first,
                           const std::vector<Index>& lengths);
void check_recurrent_options(const char* layer, const RecurrentOptions& options, Index input, Index hidden,
                             bool has_kernel);
[[noreturn]] void throw_state_count(const char* layer, std::size_t want, std::size_t got);
void check_state(const char* layer, std::size_t index, const Shape& want, const Shape& got);

template <class S, class State>
struct LayerResult {
  Var<S> output;
  State state;
};

template <class Cell>
concept HasKernel = requires(const Cell& cell, const Var<scalar_t<Cell>>& x, const state_t<Cell>& state,
                             const bptt::Steps& steps) {
  cell.sequence(x, state, steps);
};

template <class Cell>
constexpr const char* kind_of() {
  if constexpr (requires { Cell::kKind; }) {
    return Cell::kKind;
  } else {
    return "Recurrent";
  }
}

// One layer in one direction, op by op: the specification of every fused path. x (T,B,I), or packed (N,I).
template <class Cell>
auto run_on_tape(const Cell& cell, const Var<scalar_t<Cell>>& x, state_t<Cell> state,
                 const bptt::Steps& steps, LayerScope* scope = nullptr) {
  using S = scalar_t<Cell>;
  const bool packed = x.dimension() == 2;
  std::vector<Var<S>> outputs(steps.count());
  // On a tape x is cut once: a slice per step would cost a gradient of x's full size per step. Not when
  // looking for NaN, which is then found at its time step.
  const bool at_once = Tape::is_recording() && !DetectNonfinite::active();
  std::vector<Var<S>> inputs;
  if (at_once)
    inputs = packed ? split(x, std::vector<Index>(steps.rows.begin(), steps.rows.end())) : unbind(x);
  for (std::size_t k = 0; k < steps.count(); ++k) {
    const std::size_t t = steps.time(k);
    const auto rows = static_cast<Index>(steps.rows[t]), first = static_cast<Index>(steps.offset[t]);
    if (rows == 0) continue;
    if (scope != nullptr) scope->set_step(static_cast<Index>(t));
    const Var<S> x_t = at_once  ? inputs[t]
                       : packed ? slice(x, 0, {first, first + rows})
                                : select(x, 0, static_cast<Index>(t));
    // Sequences that have ended keep their state: only the alive rows take part.
    const bool all = steps.rows[t] == steps.batch;
    state_t<Cell> next = cell.step(x_t, all ? state : map_state(state, [&](const Var<S>& v) {
                                     return slice(v, 0, {0, rows});
                                   }));
    outputs[t] = hidden_of<S>(next);
    if (all) {
      state = std::move(next);
    } else {
      state = map_states(next, state, [&](const Var<S>& fresh, const Var<S>& old) {
        return concat(std::vector<Var<S>>{fresh, slice(old, 0, {rows, std::nullopt})}, 0);
      });
    }
  }
  std::erase_if(outputs, [](const Var<S>& v) { return !v.defined(); });
  if (outputs.empty()) {
    const Var<S>& h = hidden_of<S>(state);
    Shape shape = packed ? Shape{0, h.shape(1)} : Shape{0, h.shape(0), h.shape(1)};
    return LayerResult<S, state_t<Cell>>{Var<S>(Tensor<S>(shape)), std::move(state)};
  }
  return LayerResult<S, state_t<Cell>>{packed ? concat(outputs, 0) : stack(outputs, 0), std::move(state)};
}

}  // namespace detail

// A recurrent layer made from a cell: a struct with
//   using Scalar = S (or its first template argument), a member options with .input and .hidden, Cell(),
//   Cell(options, Rng&), State step(x (B,I), State) const, and a member list each().
// The type of options does not depend on S (convert() copies it): CellSizes, or a struct of the cell's own.
// State is Var<S> (B,H), or a struct of Vars with a member h and its own each(). A cell may also bring
// sequence(), a hand-derived kernel, which then runs instead of the steps; both give the same results.
//
// Input (T,B,I) -> output (T,B,H) and the final states. Parameters are called as in PyTorch: the cell's name
// for it with _l0, _l1 .. for the layer and _reverse for the backward direction.
template <class Cell>
class Recurrent : public MoveOnly {
 public:
  using Scalar = scalar_t<Cell>;
  using S = Scalar;
  using State = state_t<Cell>;
  using CellOptions = decltype(Cell::options);
  using Inputs = RecurrentInputs<State>;
  using Output = RecurrentOutput<S, State>;
  static constexpr const char* kKind = detail::kind_of<Cell>();

  Recurrent() = default;
  // Throws ArgumentError for sizes below 1 and options out of range.
  Recurrent(CellOptions cell, Rng& rng) : Recurrent(std::move(cell), RecurrentOptions{}, rng) {}
  Recurrent(CellOptions cell, RecurrentOptions options, Rng& rng) : options_(options), rng_(rng.split()) {
    detail::check_recurrent_options(kKind, options_, cell.input, cell.hidden, detail::HasKernel<Cell>);
    for (Index layer = 0; layer < options_.layers; ++layer) {
      for (std::size_t direction = 0; direction < directions(); ++direction) {
        cells_.emplace_back(cell, rng);
      }
      // The next layer reads what this one puts out, which only the cell knows (projection).
      cell.input = static_cast<decltype(cell.input)>(output_size(cells_.back()) * directions());
    }
  }

  // x (T,B,I), or (B,T,I) with batch_first. Throws ShapeError for other shapes, ArgumentError for lengths
  // outside 0..T.
  Output operator()(const Var<S>& x, const Inputs& given = {}) const {
    const std::string name = first_parameter_name();
    LayerScope scope(kKind, name);
    const auto plan =
        detail::plan_sequence(kKind, x.shape(), input_size(), options_.batch_first, given.lengths);
    std::vector<State> states = initial_states(plan, given.states);

    Var<S> sequence = options_.batch_first ? transpose(x, 0, 1) : x;
    if (plan.ragged) {
      const Var<S> rows = reshape(sequence, {-1, static_cast<Index>(input_size())});
      sequence = index_select(rows, 0, plan.pack);
    }
    for (std::size_t layer = 0; layer < static_cast<std::size_t>(options_.layers); ++layer) {
      if (layer > 0 && options_.dropout > 0.0 && training)
        sequence = dropout(sequence, options_.dropout, rng_);
      std::vector<Var<S>> outputs;
      for (std::size_t direction = 0; direction < directions(); ++direction) {
        const std::size_t k = layer * directions() + direction;
        const bool reverse = direction == 1;
        const auto steps = plan.ragged ? bptt::Steps::ragged(plan.steps, plan.sorted_lengths, reverse)
                                       : bptt::Steps::dense(plan.steps, plan.batch, reverse);
        auto result = run(cells_[k], sequence, std::move(states[k]), steps, scope);
        states[k] = std::move(result.state);
        outputs.push_back(std::move(result.output));
      }
      sequence = outputs.size() == 1 ? std::move(outputs[0]) : concat(outputs, -1);
    }
    if (plan.ragged) sequence = unpack(sequence, plan);
    if (options_.batch_first) sequence = transpose(sequence, 0, 1);
    if (plan.restore) {
      for (State& state : states) {
        state = map_state(state, [&](const Var<S>& v) { return index_select(v, 0, *plan.restore); });
      }
    }
    return {std::move(sequence), std::move(states)};
  }

  // The path that a call takes now.
  Path path() const noexcept {
    const bool fused = detail::HasKernel<Cell> && options_.path != Path::tape && !DetectNonfinite::active();
    return fused ? Path::fused : Path::tape;
  }
  // Forces a path; throws ArgumentError for Path::fused when the cell has no kernel.
  void set_path(Path path) {
    RecurrentOptions changed = options_;
    changed.path = path;
    detail::check_recurrent_options(kKind, changed, 1, 1, detail::HasKernel<Cell>);
    options_ = changed;
  }

  const RecurrentOptions& options() const noexcept { return options_; }
  std::size_t directions() const noexcept { return options_.bidirectional ? 2 : 1; }
  std::size_t input_size() const { return static_cast<std::size_t>(cells_.at(0).options.input); }
  // Features of the output: directions * H (or the projection's size).
  std::size_t output_size() const { return output_size(cells_.back()) * directions(); }
  const std::vector<Cell>& cells() const noexcept { return cells_; }
  std::vector<Cell>& cells() noexcept { return cells_; }
  std::string describe() const {
    std::string text = std::to_string(input_size()) + " -> " + std::to_string(output_size());
    if (options_.layers > 1) text += ", " + std::to_string(options_.layers) + " layers";
    if (options_.bidirectional) text += ", both directions";
    return text + ", path " + to_string(path());
  }

  bool training = true;

  static void each(auto& self, auto&& visit) {
    visit("options", self.options_);
    visit("training", self.training);
    visit("rng", self.rng_);
    if constexpr (!std::is_const_v<std::remove_reference_t<decltype(self)>> &&
                  std::default_initializable<Cell>) {
      self.cells_.resize(static_cast<std::size_t>(self.options_.layers) * self.directions());
    }
    for (std::size_t k = 0; k < self.cells_.size(); ++k) {
      const std::string suffix =
          "_l" + std::to_string(k / self.directions()) + (k % self.directions() == 1 ? "_reverse" : "");
      std::remove_const_t<Cell>::each(
          self.cells_[k], [&](const std::string& name, auto& member) { visit(name + suffix, member); });
    }
  }

 private:
  static std::size_t output_size(const Cell& cell) {
    if constexpr (requires { cell.output_size(); }) {
      return static_cast<std::size_t>(cell.output_size());
    } else {
      return static_cast<std::size_t>(cell.options.hidden);
    }
  }

  std::string first_parameter_name() const {
    if (!DetectNonfinite::active()) return {};
    std::string name;
    for_each_parameter(cells_.at(0), [&](const std::string&, const auto& var) {
      if (name.empty()) name = var.name();
    });
    return name;
  }

  detail::LayerResult<S, State> run(const Cell& cell, const Var<S>& x, State state, const bptt::Steps& steps,
                                    LayerScope& scope) const {
    if constexpr (detail::HasKernel<Cell>) {
      if (path() == Path::fused) return cell.sequence(x, state, steps);
    }
    return detail::run_on_tape(cell, x, std::move(state), steps, &scope);
  }

  std::vector<State> initial_states(const detail::SequencePlan& plan, const std::vector<State>& given) const {
    std::vector<State> states;
    for (const Cell& cell : cells_) states.push_back(zero_state(cell, plan.batch));
    if (given.empty()) return states;
    if (given.size() != states.size()) detail::throw_state_count(kKind, states.size(), given.size());
    for (std::size_t k = 0; k < states.size(); ++k) {
      states[k] = map_states(states[k], given[k], [&](const Var<S>& zero, const Var<S>& initial) {
        detail::check_state(kKind, k, zero.shape(), initial.shape());
        return plan.order ? index_select(initial, 0, *plan.order) : initial;
      });
    }
    return states;
  }

  static Var<S> unpack(const Var<S>& packed, const detail::SequencePlan& plan) {
    const std::size_t width = packed.shape(1);
    const Var<S> padded = concat(std::vector<Var<S>>{packed, Var<S>(zeros<S>({1, width}))}, 0);
    return reshape(
        index_select(padded, 0, plan.unpack),
        {static_cast<Index>(plan.steps), static_cast<Index>(plan.batch), static_cast<Index>(width)});
  }

  RecurrentOptions options_;
  std::vector<Cell> cells_;
  mutable Rng rng_{0};  // of the dropout between layers
};

}  // namespace unroll
