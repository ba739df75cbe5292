#include "layers/freeze.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"
#include "layers/gru.hpp"
#include "layers/lstm.hpp"
#include "layers/rnn.hpp"

namespace unroll::detail {
namespace {

[[noreturn]] void throw_option(const LayerName& layer, const char* option) {
  throw ArgumentError(
      fmt::format("[{}.freeze] options: expected those of the frozen step, got {} (Recurrent::step has it)",
                  layer.str(), option));
}

template <class S, class Cell>
StreamCell<S> common(const LayerName& layer, const Cell& cell, StreamKind kind) {
  if (const char* option = cell.unsupported_option()) throw_option(layer, option);
  const auto hidden = static_cast<std::size_t>(cell.options.hidden);
  return {kind,
          true,
          static_cast<std::size_t>(cell.options.input),
          hidden,
          hidden,
          cell.weight_ih,
          cell.weight_hh,
          cell.bias_ih,
          cell.bias_hh,
          {}};
}

}  // namespace

template <class S>
StreamCell<S> stream_cell(const LayerName& layer, const RnnCell<S>& cell) {
  const bool relu = cell.options.activation == Activation::relu();
  return common<S>(layer, cell, relu ? StreamKind::rnn_relu : StreamKind::rnn_tanh);
}

template <class S>
StreamCell<S> stream_cell(const LayerName& layer, const LstmCell<S>& cell) {
  StreamCell<S> result = common<S>(layer, cell, StreamKind::lstm);
  result.output = static_cast<std::size_t>(cell.output_size());
  result.weight_hr = cell.weight_hr;
  return result;
}

template <class S>
StreamCell<S> stream_cell(const LayerName& layer, const GruCell<S>& cell) {
  const bool after = cell.options.reset == GruReset::after;
  StreamCell<S> result =
      common<S>(layer, cell, after ? StreamKind::gru_reset_after : StreamKind::gru_reset_before);
  result.z_keeps = cell.options.update == GruUpdate::z_keeps;
  return result;
}

void check_stream_options(const LayerName& layer, const RecurrentOptions& options) {
  if (options.zoneout_hidden > 0.0) throw_option(layer, "zoneout_hidden");
  if (options.zoneout_cell > 0.0) throw_option(layer, "zoneout_cell");
}

void throw_no_stream(const LayerName& layer) {
  throw ArgumentError(fmt::format(
      "[{}.freeze] cell: expected that of Rnn, Lstm or Gru, got another (Recurrent::step runs every cell)",
      layer.str()));
}

#define UNROLL_INSTANTIATE(S)                                               \
  template StreamCell<S> stream_cell(const LayerName&, const RnnCell<S>&);  \
  template StreamCell<S> stream_cell(const LayerName&, const LstmCell<S>&); \
  template StreamCell<S> stream_cell(const LayerName&, const GruCell<S>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
