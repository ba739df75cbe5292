// The workloads W1-W10 and C1-C6, and the variants that run them.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace unroll::bench {

enum class CellKind { rnn, lstm, gru };

// One training step: forward, backward, SGD; streaming: one forward step. T steps, B sequences, I inputs, H
// hidden.
struct Workload {
  const char* name;
  const char* what;
  CellKind cell;
  std::size_t T, B, I, H, layers;
  std::size_t
      classes;  // for a linear head on the last h with cross-entropy; 0: an upstream gradient for the output
  bool streaming;         // forward, one step at a time
  const char* reference;  // the variant that ratios refer to
  std::size_t directions = 1;
};

inline constexpr Workload kWorkloads[] = {
    {"W1", "RNN classifier, B2 T3 I2 H4, 2 classes", CellKind::rnn, 3, 2, 2, 4, 1, 2, false, "hand"},
    {"W2", "scalar RNN, T3, a linear output at every step", CellKind::rnn, 3, 1, 1, 1, 1, 0, false, "hand"},
    {"W3", "LSTM, B1 T32 I8 H16", CellKind::lstm, 32, 1, 8, 16, 1, 0, false, "hand"},
    {"W4", "LSTM, B16 T28 I28 H64, 10 classes", CellKind::lstm, 28, 16, 28, 64, 1, 10, false, "gemm"},
    {"W5", "LSTM, 2 layers, B32 T50 I128 H128", CellKind::lstm, 50, 32, 128, 128, 2, 0, false, "gemm"},
    {"W6", "LSTM, B64 T100 I256 H512", CellKind::lstm, 100, 64, 256, 512, 1, 0, false, "gemm"},
    {"W7", "GRU, B32 T100 I64 H256", CellKind::gru, 100, 32, 64, 256, 1, 0, false, "gemm"},
    {"W8", "RNN, B32 T100 I64 H256", CellKind::rnn, 100, 32, 64, 256, 1, 0, false, "gemm"},
    {"W9", "LSTM, one streaming step, I16 H64", CellKind::lstm, 1, 1, 16, 64, 1, 0, true, "hand"},
    {"W10", "LSTM, both directions, B2 T100 I128 H256", CellKind::lstm, 100, 2, 128, 256, 1, 0, false, "gemm",
     2},
};

// A training step of a layer without a kernel; the variant "unroll" is the LSTM with one.
struct CellWorkload {
  const char* name;
  const char* what;
  std::size_t T, B, I, H;
};

inline constexpr CellWorkload kCellWorkloads[] = {
    {"C1", "custom cells and options, B1 T32 I8 H16", 32, 1, 8, 16},
    {"C2", "the same, B4 T200 I3 H32", 200, 4, 3, 32},
    {"C3", "the same, B1 T100 I16 H64", 100, 1, 16, 64},
    {"C4", "the same, B8 T40 I20 H96", 40, 8, 20, 96},
    {"C5", "the same, B16 T50 I32 H64", 50, 16, 32, 64},
    {"C6", "the same, B32 T100 I64 H256", 100, 32, 64, 256},
};

using Step = std::function<void()>;

// A way to run a workload: make() builds model and data and returns one step, which can be called repeatedly.
struct Variant {
  std::string workload, name, scalar;
  int threads = 1;
  double per = 1.0;  // divides the time of a step: the ops of a chain
  std::function<Step()> make;

  std::string id() const { return workload + "/" + name + "/" + scalar + "/" + std::to_string(threads); }
};

// Adds the variants of one kind to the list.
void add_hand_loops(std::vector<Variant>& list);
void add_rooflines(std::vector<Variant>& list);
void add_layers(std::vector<Variant>& list);
void add_custom_cells(std::vector<Variant>& list);
void add_op_chains(std::vector<Variant>& list);
void add_cells(std::vector<Variant>& list);
void add_torch(std::vector<Variant>& list);
void add_onednn(std::vector<Variant>& list);

// The sizes of the op chain.
inline constexpr std::size_t kChainSizes[] = {1, 16, 256, 65536};

// Values in [-scale, scale), the same for every variant.
template <class S>
std::vector<S> numbers(std::size_t count, double scale, unsigned seed) {
  std::vector<S> values(count);
  unsigned long long state = seed * 2654435761ULL + 1;
  for (S& v : values) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    v = static_cast<S>(scale * (static_cast<double>(state >> 40) / 8388608.0 - 1.0));
  }
  return values;
}

}  // namespace unroll::bench
