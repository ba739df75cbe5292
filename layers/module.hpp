// Modules: structs that list their members once, and the functions that follow from this list.
//
//   template <class S> struct Mlp {
//     Linear<S> hidden, out;
//     static void each(auto& self, auto&& visit) { visit("hidden", self.hidden); visit("out", self.out); }
//     Var<S> operator()(const Var<S>& x) const { return out(tanh(hidden(x))); }
//   };
//
// A member is a parameter (Var), a module, a vector of modules, or a setting (anything else: copied by clone
// and convert, otherwise ignored). The list gives dotted names ("hidden.weight"), parameters(), summary(),
// clone(), convert() and saving.
//
// Two members may be tied, that is, handles to one parameter: head.weight = embedding.weight. A tied
// parameter has several names. It is counted and updated once, saved under each name, and tied in every copy.
#pragma once

#include <any>
#include <concepts>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "framework/var.hpp"
#include "layers/module/member.hpp"
#include "layers/module/move_only.hpp"

namespace unroll {

namespace detail {
struct IgnoreMembers {
  void operator()(const std::string&, auto&) const {}
};
}  // namespace detail

// A struct with a member list.
template <class M>
concept Module = requires(M& module) {
  std::remove_const_t<M>::each(module, detail::IgnoreMembers{});
};

namespace detail {

std::string join_names(const std::string& prefix, const std::string& name);

// Calls f(dotted name, slot) for every parameter and setting of a module, depth first in list order.
template <class M, class F>
void for_each_slot(M& module, const std::string& prefix, F&& f) {
  std::remove_const_t<M>::each(module, [&](const std::string& name, auto& member) {
    using T = std::remove_cvref_t<decltype(member)>;
    const std::string path = join_names(prefix, name);
    if constexpr (is_parameter<T>) {
      f(path, member);
    } else if constexpr (Module<T>) {
      for_each_slot(member, path, f);
    } else if constexpr (is_vector<T>) {
      if constexpr (Module<typename T::value_type>) {
        // The size is a separate setting: a copy sets it first and then fills the elements.
        std::size_t size = member.size();
        f(path + ".size", size);
        if constexpr (!std::is_const_v<std::remove_reference_t<decltype(member)>> &&
                      std::default_initializable<typename T::value_type>) {
          member.resize(size);
        }
        for (std::size_t i = 0; i < member.size(); ++i)
          for_each_slot(member[i], path + "." + std::to_string(i), f);
      } else {
        f(path, member);
      }
    } else {
      f(path, member);
    }
  });
}

}  // namespace detail

// Calls f(dotted name, Var&) for every parameter of the module.
template <Module M, class F>
void for_each_parameter(M& module, F&& f, const std::string& prefix = "") {
  detail::for_each_slot(module, prefix, [&](const std::string& name, auto& slot) {
    if constexpr (detail::is_parameter<std::remove_cvref_t<decltype(slot)>>) {
      if (slot.defined()) f(name, slot);
    }
  });
}

namespace detail {
// Replaces the scalar type of M, through nested template arguments: Recurrent<LstmCell<float>> -> <double>.
template <class T, class To>
struct Rebind {
  using type = T;
};
template <class To>
struct Rebind<float, To> {
  using type = To;
};
template <class To>
struct Rebind<double, To> {
  using type = To;
};
template <template <class...> class M, class... A, class To>
struct Rebind<M<A...>, To> {
  using type = M<typename Rebind<A, To>::type...>;
};
}  // namespace detail

template <class S>
struct NamedParameter {
  std::string name;
  Var<S> var;
};

namespace detail {
// Throws ArgumentError for two parameters of one name.
template <class S>
void require_distinct_names(const std::vector<NamedParameter<S>>& list);
}  // namespace detail

// Returns all parameters with their dotted names, in list order; a tied parameter under each of its names.
// Throws ArgumentError if two members have one name: files know parameters by their names.
template <Module M>
auto named_parameters(const M& module, const std::string& prefix = "") {
  std::vector<NamedParameter<scalar_t<M>>> list;
  for_each_parameter(
      module,
      [&](const std::string& name, const auto& var) {
        list.push_back({name, var});
      },
      prefix);
  detail::require_distinct_names(list);
  return list;
}

namespace detail {
[[noreturn]] void throw_constant(const std::string& name);
}

// Returns the parameters of one or several modules for an optimizer, each once. Labels each with its (first)
// dotted name for error messages. Throws TapeError for a member that is a constant.
template <Module First, Module... Rest>
auto parameters(const First& first, const Rest&... rest) {
  std::vector<Var<scalar_t<First>>> list;
  std::unordered_set<const void*> seen;
  const auto collect = [&](const auto& module, std::size_t index) {
    const std::string prefix = sizeof...(Rest) == 0 ? "" : std::to_string(index);
    for (auto& [name, var] : named_parameters(module, prefix)) {
      if (var.get()->leaf == nullptr) detail::throw_constant(name);
      if (!seen.insert(var.get()).second) continue;
      var.set_name(name);
      list.push_back(var);
    }
  };
  std::size_t index = 0;
  collect(first, index++);
  (collect(rest, index++), ...);
  return list;
}

// Returns the number of trainable scalars.
template <Module M>
std::size_t parameter_count(const M& module) {
  std::size_t count = 0;
  std::unordered_set<const void*> seen;
  for_each_parameter(module, [&](const std::string&, const auto& var) {
    if (seen.insert(var.get()).second) count += var.size();
  });
  return count;
}

namespace detail {

[[noreturn]] void throw_slot_mismatch(const std::string& name);

// Copies every slot of `from` into `to`, a module of the same template; `copy` copies the parameters.
template <class To, class From, class Copy>
void copy_slots(To& to, const From& from, Copy&& copy) {
  using Source = Var<scalar_t<From>>;
  std::vector<std::any> slots;
  for_each_slot(from, "", [&](const std::string&, const auto& slot) { slots.emplace_back(slot); });
  std::size_t next = 0;
  // The list of `to` may grow during the visit (first options, then the members that they require).
  for_each_slot(to, "", [&](const std::string& name, auto& slot) {
    using T = std::remove_cvref_t<decltype(slot)>;
    const std::any* source = next < slots.size() ? &slots[next++] : nullptr;
    if constexpr (is_parameter<T>) {
      const auto* var = std::any_cast<Source>(source);
      if (var == nullptr) throw_slot_mismatch(name);
      slot = copy(*var);
    } else {
      const auto* setting = std::any_cast<T>(source);
      if (setting == nullptr) throw_slot_mismatch(name);
      slot = *setting;
    }
  });
  if (next != slots.size()) throw_slot_mismatch("the end");
}

}  // namespace detail

namespace detail {

// Copies parameters: one copy for each, for any number of handles to it.
class FreshParameters {
 public:
  template <class To, class From>
  Var<To> copy(const Var<From>& var) {
    if (!var.defined()) return {};
    std::any& made = made_[var.get()];
    if (!made.has_value()) {
      Tensor<To> tensor = convert_tensor<To>(var.value());
      made = var.get()->leaf == nullptr ? Var<To>(std::move(tensor))
                                        : parameter<To>(std::move(tensor), var.name());
    }
    return std::any_cast<const Var<To>&>(made);
  }

 private:
  std::unordered_map<const void*, std::any> made_;
};

struct CopyScope {
  bool outer = std::exchange(copies_modules, true);
  CopyScope() = default;
  CopyScope(const CopyScope&) = delete;
  CopyScope& operator=(const CopyScope&) = delete;
  ~CopyScope() { copies_modules = outer; }
};

}  // namespace detail

// Returns a second handle to the same parameters: training one trains the other. Everything else is copied.
template <Module M>
M share(const M& module) {
  if constexpr (std::is_constructible_v<M, const M&>) {
    const detail::CopyScope scope;
    return M(module);
  } else {
    static_assert(std::default_initializable<M>,
                  "clone() and share() need a module that can be copied (all its members can) or constructed "
                  "without arguments (Model() = default;)");
    M result;
    detail::copy_slots(result, module, [](const auto& var) { return var; });
    return result;
  }
}

// Returns an independent copy, with the same ties.
template <Module M>
M clone(const M& module) {
  M result = share(module);
  detail::FreshParameters fresh;
  detail::for_each_slot(result, "", [&]<class T>(const std::string&, T& slot) {
    if constexpr (detail::is_parameter<T>) slot = fresh.copy<typename T::Scalar>(slot);
  });
  return result;
}

// Returns the same module with scalar type To (float or double) and its own parameters, with the same ties.
// For the other scalar type it is default-constructed and filled through each().
template <class To, Module M>
auto convert(const M& module) {
  if constexpr (std::same_as<To, scalar_t<M>>) {
    return clone(module);
  } else {
    using Result = typename detail::Rebind<M, To>::type;
    static_assert(
        !std::same_as<Result, M>,
        "convert() needs a module that is a template of its scalar type: template <class S> struct Model");
    static_assert(std::default_initializable<Result>,
                  "convert() needs a module that can be constructed without arguments: Model() = default;");
    Result result;
    detail::FreshParameters fresh;
    detail::copy_slots(result, module, [&](const auto& var) { return fresh.copy<To>(var); });
    return result;
  }
}

namespace detail {
// Calls f(flag) for every member called `training` of the module and its members (dropout).
template <class M, class F>
void for_each_training_flag(M& module, F&& f) {
  for_each_slot(module, "", [&](const std::string& name, auto& slot) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(slot)>, bool>) {
      if (name == "training" || name.ends_with(".training")) f(slot);
    }
  });
}
}  // namespace detail

// Sets every member called `training` of the module and its members: true while training, false for
// evaluation.
template <Module M>
void set_training(M& module, bool training) {
  detail::for_each_training_flag(module, [training](bool& flag) { flag = training; });
}

// --- summary ---

struct SummaryRow {
  std::string name, kind, detail;
  std::size_t parameters;
};
std::string format_summary(const std::vector<SummaryRow>& rows);

namespace detail {

// The rows of a summary; a parameter counts where it occurs first.
class SummaryRows {
 public:
  void begin(const std::string& name, const char* kind, const std::string& text);
  // Adds a parameter to the current row; a tied one adds the name of its first occurrence to the row's text.
  void add(const std::string& name, const void* parameter, std::size_t size);
  std::vector<SummaryRow> rows;

 private:
  std::unordered_map<const void*, std::string> first_names_;
};

template <class M>
void summarize(const M& module, const std::string& name, SummaryRows& rows) {
  // A module that describes itself is one row; any other gives the rows of its members.
  if constexpr (requires {
                  { module.extra_repr() } -> std::convertible_to<std::string>;
                }) {
    rows.begin(name, M::kName, module.extra_repr());
    for_each_parameter(
        module,
        [&](const std::string& parameter, const auto& var) { rows.add(parameter, var.get(), var.size()); },
        name);
  } else {
    M::each(module, [&](const std::string& member_name, const auto& member) {
      using T = std::remove_cvref_t<decltype(member)>;
      const std::string path = join_names(name, member_name);
      if constexpr (is_parameter<T>) {
        if (!member.defined()) return;
        rows.begin(path, "parameter", to_string(member.shape()));
        rows.add(path, member.get(), member.size());
      } else if constexpr (Module<const T>) {
        summarize(member, path, rows);
      } else if constexpr (is_vector<T>) {
        if constexpr (Module<const typename T::value_type>) {
          for (std::size_t i = 0; i < member.size(); ++i)
            summarize(member[i], path + "." + std::to_string(i), rows);
        }
      }
    });
  }
}
}  // namespace detail

// Returns a printable table: layers, shapes, parameter counts and their total. A tied parameter counts where
// it is listed first; later rows say that it is shared.
template <Module M>
std::string summary(const M& module) {
  detail::SummaryRows rows;
  detail::summarize(module, "", rows);
  return format_summary(rows.rows);
}

}  // namespace unroll
