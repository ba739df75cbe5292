#include "optim/parameter_list.hpp"

#include <fmt/format.h>

#include <unordered_set>

#include "framework/errors.hpp"

namespace unroll::detail {

template <class S>
std::vector<Var<S>> distinct_parameters(const char* where, const std::vector<Var<S>>& parameters) {
  std::vector<Var<S>> distinct;
  std::unordered_set<const void*> seen;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Var<S>& p = parameters[i];
    if (!p.defined() || p.get()->leaf == nullptr) {
      throw ArgumentError(
          fmt::format("[{}] parameters: expected a result of parameter(), got {} at position {}", where,
                      p.defined() ? "a constant" : "an empty handle", i));
    }
    if (seen.insert(p.get()).second) distinct.push_back(p);
  }
  return distinct;
}
template std::vector<Var<float>> distinct_parameters(const char*, const std::vector<Var<float>>&);
template std::vector<Var<double>> distinct_parameters(const char*, const std::vector<Var<double>>&);

}  // namespace unroll::detail
