#include "optim/parameter_group.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"

namespace unroll {

template <class S>
std::vector<Var<S>> take_named(std::vector<Var<S>>& parameters, std::string_view word) {
  std::vector<Var<S>> taken;
  std::erase_if(parameters, [&](const Var<S>& p) {
    const bool named = p.defined() && p.name().find(word) != std::string::npos;
    if (named) taken.push_back(p);
    return named;
  });
  if (taken.empty()) {
    throw ArgumentError(
        fmt::format("[take_named] word: expected part of a parameter's name, got '{}', which is in none of "
                    "{} names (each parameter is taken once)",
                    word, parameters.size()));
  }
  return taken;
}
template std::vector<Var<float>> take_named(std::vector<Var<float>>&, std::string_view);
template std::vector<Var<double>> take_named(std::vector<Var<double>>&, std::string_view);

}  // namespace unroll
