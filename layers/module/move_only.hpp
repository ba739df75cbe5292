// MoveOnly: layers move; only clone() and share() copy them.
#pragma once

#include <concepts>
#include <type_traits>

namespace unroll {

namespace detail {
// True while clone() or share() copies a module on this thread.
inline thread_local constinit bool copies_modules = false;
[[noreturn]] void throw_copied();
template <class T>
inline constexpr bool never_copied = false;
}  // namespace detail

// Base of layers, built-in or custom. Movable, not copyable: only clone() and share() copy them, also as
// members of a struct. Any other copy throws ArgumentError. So a std::vector of layers cannot grow if they
// have a member whose move may throw (for example a std::deque), because it would copy them.
struct MoveOnly {
  MoveOnly() = default;
  MoveOnly(MoveOnly&&) = default;
  MoveOnly& operator=(MoveOnly&&) = default;
  MoveOnly(const MoveOnly&) {
    if (!detail::copies_modules) detail::throw_copied();
  }
  MoveOnly& operator=(const MoveOnly&) = delete;  // clone(module) or share(module)
};

// Defines copying for a layer of the library. `Layer b = a` and copies of a non-const layer do not compile:
// they select the last constructor. The real copy constructor is explicit, so that a struct of layers gets
// one.
#define UNROLL_MOVE_ONLY(Layer)                                                                           \
  Layer(Layer&&) = default;                                                                               \
  Layer& operator=(Layer&&) = default;                                                                    \
  explicit Layer(const Layer&) = default;                                                                 \
  Layer& operator=(const Layer&) = delete; /* clone(layer) or share(layer) */                             \
  template <class Other>                                                                                  \
  requires std::same_as<std::remove_const_t<Other>, Layer> Layer(Other&) {                                \
    static_assert(detail::never_copied<Other>,                                                            \
                  "a layer cannot be copied: use clone(layer), with its own parameters, or "              \
                  "share(layer), a second handle to the same ones; or move it, or pass it by reference"); \
  }

}  // namespace unroll
