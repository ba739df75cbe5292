#include "training/models/recurrent_biases.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"

namespace unroll {
namespace {

// The name with `part` in the place of "bias_hh", say, for "lstm.bias_hh_l0"; "" for other names.
std::string sibling(const std::string& name, const std::string& from, const std::string& part) {
  const auto dot = name.rfind('.');
  const std::size_t at = dot == std::string::npos ? 0 : dot + 1;
  if (name.compare(at, from.size() + 2, from + "_l") != 0) return "";
  return name.substr(0, at) + part + name.substr(at + from.size());
}

[[noreturn]] void fail(const std::string& what) { throw ArgumentError("[join_recurrent_biases] " + what); }

}  // namespace

template <class S>
void join_recurrent_biases(TensorMap<S>& tensors) {
  TensorMap<S> sums;
  std::vector<std::string> gone;
  for (const auto& [name, hidden] : tensors) {
    const std::string partner = sibling(name, "bias_hh", "bias_ih");
    if (partner.empty()) continue;
    const auto input = tensors.find(partner), weight = tensors.find(sibling(name, "bias_hh", "weight_hh"));
    if (input == tensors.end() || weight == tensors.end()) {
      fail(fmt::format("{}: expected bias_ih and weight_hh next to it, got one alone", quoted(name)));
    }
    if (hidden.dimension() != 1 || input->second.shape() != hidden.shape() ||
        weight->second.dimension() != 2 || weight->second.shape()[0] != hidden.size()) {
      fail(fmt::format(
          "{}: expected the shape of bias_ih and as many elements as weight_hh has rows, got {}, {} and {}",
          quoted(name), to_string(hidden.shape()), to_string(input->second.shape()),
          to_string(weight->second.shape())));
    }
    const std::size_t columns = weight->second.shape()[1];
    if (hidden.size() == 3 * columns &&
        !std::all_of(hidden.data() + 2 * columns, hidden.data() + hidden.size(),
                     [](S v) { return v == S(0); })) {
      fail(
          fmt::format("{}: expected zeros for the candidate of a GRU, which r scales, got others (Bias::both "
                      "has a place for them)",
                      quoted(name)));
    }
    sums[partner] = input->second + hidden;
    gone.push_back(name);
  }
  for (auto& [name, sum] : sums) tensors[name] = std::move(sum);
  for (const std::string& name : gone) tensors.erase(name);
}

template <class S>
void split_recurrent_biases(TensorMap<S>& tensors) {
  TensorMap<S> added;
  for (const auto& [name, input] : tensors) {
    const std::string partner = sibling(name, "bias_ih", "bias_hh");
    if (!partner.empty() && !tensors.contains(partner)) added[partner] = zeros<S>(input.shape());
  }
  tensors.merge(added);
}

template void join_recurrent_biases(TensorMap<float>&);
template void join_recurrent_biases(TensorMap<double>&);
template void split_recurrent_biases(TensorMap<float>&);
template void split_recurrent_biases(TensorMap<double>&);

}  // namespace unroll
