// AnyCell: a cell without its type, so that what runs layers is compiled once for all cells. Internal to
// Recurrent.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "framework/multi_output.hpp"
#include "framework/random.hpp"
#include "layers/recurrent/batch_layout.hpp"

namespace unroll::detail {

// States are lists of their Vars. What a layer in one direction returns is a list, too: its output (T,B,H),
// or packed (N,H); the final state's Vars; if requested, every other Var's values after all steps, laid out
// like the output. layer_result makes a state of it.
template <class S>
class AnyCell {
 public:
  virtual ~AnyCell() = default;
  AnyCell(const AnyCell&) = delete;
  AnyCell& operator=(const AnyCell&) = delete;

  // Returns the next state; read: what the recurrent products read in place of h, or null for h itself.
  virtual VarList<S> step(const Var<S>& x, const VarList<S>& state, const Var<S>* read) const = 0;
  // Runs its hand-derived kernel, which it must have.
  virtual VarList<S> run_kernel(const Var<S>& x, const VarList<S>& state, const bptt::BatchLayout& layout,
                                bool all_states) const = 0;
  // Returns the parameters that it has, in the order of each().
  virtual VarList<S> parameters() const = 0;
  // Returns a second cell with these parameters, in that order.
  virtual std::shared_ptr<const AnyCell> with(const Var<S>* parameters) const = 0;
  // Returns a copy with all members, or null for a cell that share() can only fill through each().
  virtual std::shared_ptr<const AnyCell> exact_copy() const = 0;
  // Returns the object's own memory, for a comparison.
  virtual std::span<const std::byte> bytes() const = 0;
  virtual std::string state_name(std::size_t index) const = 0;
  // Members that a step may change (mutable ones): generators, for example that of a Dropout in it, and
  // numbers, which are read into the list, or set from it.
  virtual std::vector<Rng*> generators() const = 0;
  virtual void read_numbers(std::vector<long double>& list) const = 0;  // exact for every arithmetic type
  // Returns whether that changed one.
  virtual bool set_numbers(const std::vector<long double>& list) const = 0;

  // Returns a second cell with the same parameters.
  std::shared_ptr<const AnyCell> copy() const { return with(parameters().data()); }
  std::size_t state_count() const noexcept { return widths.size(); }

  const char* name;
  std::vector<std::size_t> widths;  // of the state's Vars (B,W); 0 for one of another form
  std::size_t hidden;               // the position of h among them
  std::size_t units;                // options.hidden

 protected:
  AnyCell(const char* cell_name, std::vector<std::size_t> state_widths, std::size_t hidden_index,
          std::size_t hidden_units)
      : name(cell_name), widths(std::move(state_widths)), hidden(hidden_index), units(hidden_units) {}
};

}  // namespace unroll::detail
