// What a round of random_layers draws beside the cell.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layers/layers.hpp"

namespace unroll::random_layers {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : rng_(seed) {}
  bool chance(double p) { return rng_.uniform() < p; }
  Index between(Index low, Index high) { return low + rng_.below(high - low + 1); }
  // 1..40, small ones more often and 1 most often.
  Index size() { return chance(0.3) ? 1 : chance(0.5) ? between(2, 5) : between(6, 40); }
  template <class T>
  T one_of(const std::vector<T>& values) {
    return values[static_cast<std::size_t>(rng_.below(static_cast<Index>(values.size())))];
  }
  // smooth: only functions with a continuous derivative, which central differences can check.
  Activation activation(bool smooth);
  Activation gate(bool smooth);
  std::uint64_t seed() { return rng_.next(); }

 private:
  Rng rng_;
};

struct Round {
  RecurrentOptions options;
  Index input = 1, hidden = 1;
  std::size_t steps = 1, batch = 1;
  std::vector<Index> lengths;  // none, or (B)
  bool training = false, states_given = false;
  bool smooth = false;  // every activation is
  int threads = 1;
  Index window = 1;
  std::uint64_t seed = 0;  // of numbers

  // 1 without an option, or where nothing is smaller than it.
  Index smallest_width() const;
};

// has_inner_state: the cell's state is more than h.
Round draw_round(Draw& draw, bool has_inner_state);
// A round for several threads: large layers, compared with themselves on one.
Round draw_large_round(Draw& draw);
std::string describe(const Round& round);

// One round of a kind of cell; throws Mismatch.
void run_rnn(Draw& draw, bool large);
void run_lstm(Draw& draw, bool large);
void run_gru(Draw& draw, bool large);
void run_mgu(Draw& draw, bool large);
void run_custom_cell(Draw& draw);

}  // namespace unroll::random_layers
