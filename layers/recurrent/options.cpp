#include "layers/recurrent/options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"
#include "layers/recurrent/last.hpp"

namespace unroll {

const char* to_string(Path path) noexcept {
  switch (path) {
    case Path::fused:
      return "fused";
    case Path::compiled:
      return "compiled";
    case Path::tape:
      return "tape";
    case Path::automatic:
      break;
  }
  return "automatic";
}

namespace detail {

void check_recurrent_options(const LayerName& layer, const RecurrentOptions& options, bool has_inner_state) {
  if (options.layers < 1)
    throw ArgumentError(fmt::format("[{}] layers: expected >= 1, got {}", layer.str(), options.layers));
  constexpr Index kMostLayers = Index{1} << 16;  // more must be a mistake, and would fill the memory
  if (options.layers > kMostLayers || options.widths.size() > static_cast<std::size_t>(kMostLayers)) {
    throw ArgumentError(
        fmt::format("[{}] layers: expected <= {}, got {}", layer.str(), kMostLayers,
                    std::max<std::size_t>(static_cast<std::size_t>(options.layers), options.widths.size())));
  }
  if (!options.widths.empty() && options.layers != 1 &&
      options.widths.size() != static_cast<std::size_t>(options.layers)) {
    throw ArgumentError(fmt::format("[{}] widths: expected one for each of the {} layers, got {}",
                                    layer.str(), options.layers, options.widths.size()));
  }
  const auto probability = [&](const char* name, double p) {
    if (!(p >= 0.0 && p < 1.0))
      throw ArgumentError(fmt::format("[{}] {}: expected 0 <= p < 1, got {}", layer.str(), name, p));
  };
  probability("dropout", options.dropout);
  probability("recurrent_dropout", options.recurrent_dropout);
  probability("zoneout_hidden", options.zoneout_hidden);
  probability("zoneout_cell", options.zoneout_cell);
  if (options.zoneout_cell > 0.0 && !has_inner_state) {
    throw ArgumentError(
        fmt::format("[{}] zoneout_cell: needs a state besides h, which this cell does not have "
                    "(zoneout_hidden acts on h)",
                    layer.str()));
  }
  const auto not_negative = [&](const char* name, Index value) {
    if (value < 0)
      throw ArgumentError(fmt::format("[{}] {}: expected >= 0 (0: off), got {}", layer.str(), name, value));
  };
  not_negative("checkpoint_every", options.checkpoint_every);
  not_negative("checkpoint_bytes", options.checkpoint_bytes);
  if (options.checkpoint_every > 0 && options.checkpoint_bytes > 0) {
    throw ArgumentError(
        fmt::format("[{}] checkpoint_every and checkpoint_bytes: expected one of the two, got {} and {}",
                    layer.str(), options.checkpoint_every, options.checkpoint_bytes));
  }
}

const char* regularizer_option(const RecurrentOptions& options, bool training) noexcept {
  if (options.zoneout_hidden > 0.0) return "zoneout_hidden";
  if (options.zoneout_cell > 0.0) return "zoneout_cell";
  if (options.recurrent_dropout > 0.0 && training) return "recurrent_dropout while training";
  return nullptr;
}

std::string describe_layer(const RecurrentOptions& options, std::pair<std::size_t, std::size_t> sizes,
                           bool runs_kernel, const char* fallback_reason, const std::string& why_not_compiled,
                           bool few_weights) {
  const Path path = runs_kernel ? Path::fused : why_not_compiled.empty() ? Path::compiled : Path::tape;
  std::string reason;
  if (options.path == Path::automatic && fallback_reason != nullptr) {
    reason = fallback_reason;
    if (path == Path::tape && why_not_compiled != reason) reason += "; " + why_not_compiled;
  }
  std::string text = fmt::format("{} -> {}", sizes.first, sizes.second);
  if (options.layers > 1) text += fmt::format(", {} layers", options.layers);
  if (options.bidirectional) text += ", both directions";
  if (options.checkpoint_every > 0) {
    text += fmt::format(", checkpoints every {} steps", options.checkpoint_every);
  } else if (options.checkpoint_bytes > 0) {
    text += fmt::format(", checkpoints every {} bytes", options.checkpoint_bytes);
  } else if (options.checkpoint_automatically && path == Path::tape && few_weights) {
    text += ", checkpoints if long";
  }
  text += fmt::format(", path {}", to_string(path));
  if (!reason.empty()) text += fmt::format(" ({})", reason);
  return text;
}

void throw_lost_gradient(const char* layer, const std::string& what) {
  throw TapeError(fmt::format(
      "[{}.forward] checkpoints: expected a cell that computes with x, its state and its members, "
      "got one that uses a {}, whose gradient would be lost (visit it in each(), make it part of x "
      "or the state, or set neither checkpoint_every nor checkpoint_bytes)",
      layer, what));
}

void throw_not_repeatable(const char* layer) {
  throw TapeError(fmt::format(
      "[{}.forward] checkpoints: expected steps that give the same output when they run again, got "
      "another one (a cell takes random numbers from an Rng or a Dropout that each() visits, and step() "
      "changes no other member than numbers that each() visits; or set neither checkpoint_every nor "
      "checkpoint_bytes)",
      layer));
}

void throw_not_the_same(const char* layer) {
  throw TapeError(fmt::format(
      "[{}.backward] checkpoints: expected a step that gives the same output when it runs again, got another "
      "one (something that step() reads has changed since, or step() changes it; or set neither "
      "checkpoint_every nor checkpoint_bytes, and checkpoint_automatically to false)",
      layer));
}

void throw_not_covered(const LayerName& layer, Path path, const char* reason) {
  throw ArgumentError(
      fmt::format("[{}] path: expected one that supports the options, got {}, which does not: {} (use "
                  "Path::automatic)",
                  layer.str(), to_string(path), reason));
}

void throw_one_direction(const LayerName& layer, const char* function) {
  throw ArgumentError(
      fmt::format("[{}.{}] bidirectional: expected false (the backward direction needs the whole sequence)",
                  layer.str(), function));
}

void throw_no_cells(const LayerName& layer, const char* function, std::size_t want, std::size_t got) {
  if (got == 0 || got == want) {
    throw ArgumentError(fmt::format(
        "[{}.{}] layer: expected one with cells, got an empty one (default-constructed or moved from)",
        layer.str(), function));
  }
  throw ArgumentError(fmt::format("[{}.{}] cells: expected {} (one per layer and direction), got {}",
                                  layer.str(), function, want, got));
}

void throw_state_count(const LayerName& layer, std::size_t want, std::size_t got) {
  throw ShapeError(
      fmt::format("[{}.forward] states: expected {} entries (one per layer and direction), got {}",
                  layer.str(), want, got));
}

void check_state(const LayerName& layer, std::size_t index, const std::string& part, const Shape& want,
                 const Shape* got) {
  if (got != nullptr && want == *got) return;
  throw ShapeError(
      fmt::format("[{}.forward] states[{}]{}{}: expected {} (batch, features), got {} (the states of another "
                  "layer or batch?)",
                  layer.str(), index, part.empty() ? "" : ".", part, to_string(want),
                  got == nullptr ? "an empty handle" : to_string(*got)));
}

void throw_zero_state(const LayerName& layer, const std::string& part, std::size_t batch, const Shape* want,
                      const Shape* got) {
  throw ShapeError(fmt::format("[{}.forward] zero_state() {}: expected {}, got {}", layer.str(), part,
                               want != nullptr ? to_string(*want) + " (batch, output_size)"
                                               : fmt::format("({},..) (batch, ..)", batch),
                               got == nullptr ? "an empty handle" : to_string(*got)));
}

void throw_next_state(const char* cell, const std::string& part, const Shape& want, const Shape* got) {
  throw ShapeError(fmt::format("[{}.step] {} after the step: expected {} as before it, got {}", cell, part,
                               to_string(want), got == nullptr ? "an empty handle" : to_string(*got)));
}

void throw_not_rows(const char* cell, const char* what, const std::string& part) {
  throw ArgumentError(fmt::format("[{}.forward] {}: expected a state of Vars (B,W), got another form for {}",
                                  cell, what, part));
}

void throw_no_hidden() {
  throw ArgumentError("[Recurrent] State::each: expected it to visit the member h, which is the output");
}

void throw_cell_sizes(const LayerName& layer, std::size_t index, const char* size, std::size_t want,
                      std::size_t got) {
  throw ShapeError(
      fmt::format("[{}.forward] cells()[{}]: expected {} {} for the cells around it, got {} (a cell of "
                  "another layer?)",
                  layer.str(), index, size, want, got));
}

std::size_t directions_of(const Shape& output, std::size_t states, const Shape* hidden) {
  if (hidden == nullptr) {
    throw ArgumentError(
        "[last] result: expected the result of a recurrent layer, got an empty one (default-constructed or "
        "moved from)");
  }
  const std::size_t features = output.empty() ? 0 : output.back();
  if (hidden->size() == 2 && features == hidden->back()) return 1;
  if (hidden->size() == 2 && features == 2 * hidden->back() && states % 2 == 0) return 2;
  throw ShapeError(
      fmt::format("[last] result: expected an output with once or twice the features of the final h, got {} "
                  "and {} (an output that has been changed?)",
                  to_string(output), to_string(*hidden)));
}

}  // namespace detail
}  // namespace unroll
