// The options of a recurrent layer.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "framework/var.hpp"
#include "layers/module/layer_name.hpp"

namespace unroll {

// How a sequence is computed: by the cell's hand-derived kernel (fused), by a program that is traced from its
// step (compiled), op by op on the tape, or by the first of these that can.
enum class Path { automatic, fused, compiled, tape };
const char* to_string(Path path) noexcept;

struct RecurrentOptions {
  Index layers = 1;                // stacked: each reads the outputs of the layer below
  std::vector<Index> widths = {};  // hidden size of every layer; empty: the cell's for all
  bool bidirectional = false;      // a second set of cells runs backward; outputs are concatenated
  bool batch_first = false;        // input and output (B,T,..) instead of (T,B,..)
  double dropout = 0.0;            // on the outputs of every layer but the last, while training
  double recurrent_dropout = 0.0;  // on the h that a step reads, the same mask at every step, while training
                                   // (Gal and Ghahramani 2016)
  double zoneout_hidden = 0.0;     // probability that h keeps its old value (Krueger et al. 2017);
                                   // in evaluation old and new are mixed in that proportion
  double zoneout_cell = 0.0;       // the same for the rest of the state: an LSTM's c
  bool learn_initial_states = false;  // a parameter (1,H) for each state Var, used if no state is given
  // For long sequences: keeps only every k-th state and recomputes the other steps in the backward pass (Chen
  // et al. 2016; Gruslys et al. 2016). layers/recurrent.md says which k to choose.
  Index checkpoint_every = 0;  // k, in steps; 0: none requested
  Index checkpoint_bytes = 0;  // instead of k: the steps that keep about this many bytes; off if all fit
  bool checkpoint_automatically = true;  // without the two above: where that is faster, as for long sequences
                                         // of a cell on the tape with few weights per unit
  Path path = Path::automatic;

  bool requests_checkpoints() const noexcept { return checkpoint_every > 0 || checkpoint_bytes > 0; }
};

// The options of a cell that needs no others.
struct CellSizes {
  Index input = 0, hidden = 0;
};

namespace detail {

// Throws ArgumentError for an option out of range. has_inner_state: the cell's state is more than h.
void check_recurrent_options(const LayerName& layer, const RecurrentOptions& options, bool has_inner_state);
// Returns the option that changes every step's states, or null.
const char* regularizer_option(const RecurrentOptions& options, bool training) noexcept;
// Returns a layer's line in a summary, with the path that it takes and why none before that. few_weights: it
// may choose checkpoints on the tape.
std::string describe_layer(const RecurrentOptions& options, std::pair<std::size_t, std::size_t> sizes,
                           bool runs_kernel, const char* fallback_reason, const std::string& why_not_compiled,
                           bool few_weights);
// Throw TapeError for a step that uses `what`, whose gradient a second run would lose, and for one whose
// second run gives another output.
[[noreturn]] void throw_lost_gradient(const char* layer, const std::string& what);
[[noreturn]] void throw_not_repeatable(const char* layer);
[[noreturn]] void throw_not_the_same(const char* layer);
[[noreturn]] void throw_not_covered(const LayerName& layer, Path path, const char* reason);
[[noreturn]] void throw_one_direction(const LayerName& layer, const char* function);
// want: the number of cells that the options require.
[[noreturn]] void throw_no_cells(const LayerName& layer, const char* function, std::size_t want,
                                 std::size_t got);
[[noreturn]] void throw_state_count(const LayerName& layer, std::size_t want, std::size_t got);
// part: the Var's name in the state, or "". got: null for an empty handle.
void check_state(const LayerName& layer, std::size_t index, const std::string& part, const Shape& want,
                 const Shape* got);

// A Var of the state that zero_state() or step() of a cell gives: it is not (batch,..) as wanted.
[[noreturn]] void throw_zero_state(const LayerName& layer, const std::string& part, std::size_t batch,
                                   const Shape* want, const Shape* got);
[[noreturn]] void throw_next_state(const char* cell, const std::string& part, const Shape& want,
                                   const Shape* got);
// what: is only for states of Vars (B,W).
[[noreturn]] void throw_not_rows(const char* cell, const char* what, const std::string& part);
[[noreturn]] void throw_no_hidden();
// The cell at `index` does not fit to those below it or beside it.
[[noreturn]] void throw_cell_sizes(const LayerName& layer, std::size_t index, const char* size,
                                   std::size_t want, std::size_t got);

}  // namespace detail
}  // namespace unroll
