// Sequential: modules and functions in a row.
#pragma once

#include <tuple>
#include <utility>

#include "layers/module.hpp"

namespace unroll {

// Applies its parts in order, each to the previous result. A part is a module or any function of a Var:
//
//   Sequential net(Linear<float>(8, 16, rng), [](const auto& x) { return tanh(x); },
//                  Linear<float>(16, 4, rng));
//
// Parts are named by their position: "0.weight", "2.bias".
template <class... Parts>
class Sequential : MoveOnly {
 public:
  Sequential() = default;
  UNROLL_MOVE_ONLY(Sequential)
  explicit Sequential(Parts... parts) requires(sizeof...(Parts) > 0) : parts_(std::move(parts)...) {}

  template <class X>
  auto operator()(const X& x) const {
    return apply_from<0>(x);
  }
  static constexpr std::size_t kSize = sizeof...(Parts);
  template <std::size_t I>
  auto& part() & {
    return std::get<I>(parts_);
  }
  template <std::size_t I>
  const auto& part() const& {
    return std::get<I>(parts_);
  }
  template <std::size_t I>
  auto part() && {
    return std::get<I>(std::move(parts_));
  }

  static void each(auto& self, auto&& visit) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (visit_part(std::to_string(I), std::get<I>(self.parts_), visit), ...);
    }
    (std::index_sequence_for<Parts...>{});
  }

 private:
  static void visit_part(const std::string& name, auto& part, auto&& visit) {
    if constexpr (Module<std::remove_reference_t<decltype(part)>>) visit(name, part);
  }
  template <std::size_t I, class X>
  auto apply_from(const X& x) const {
    if constexpr (I == sizeof...(Parts)) {
      return x;
    } else {
      return apply_from<I + 1>(std::get<I>(parts_)(x));
    }
  }
  std::tuple<Parts...> parts_;
};

}  // namespace unroll
