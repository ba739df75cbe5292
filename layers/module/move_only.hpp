// MoveOnly: who may copy a layer.
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

// Base of layers, the library's and a user's: they move, and only clone() and share() copy them, whatever
// struct they are members of. Any other copy throws ArgumentError; so a std::vector of layers cannot grow
// when a member of theirs may throw as it moves (a std::deque, say), since it then copies.
struct MoveOnly {
  MoveOnly() = default;
  MoveOnly(MoveOnly&&) = default;
  MoveOnly& operator=(MoveOnly&&) = default;
  MoveOnly(const MoveOnly&) {
    if (!detail::copies_modules) detail::throw_copied();
  }
  MoveOnly& operator=(const MoveOnly&) = delete;  // clone(module) or share(module)
};

// The copying of one of the library's layers. `Layer b = a` and copies of a layer that is not const do not
// even compile, as they find the last constructor; the one that copies is explicit, so that a struct of
// layers has one.
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
