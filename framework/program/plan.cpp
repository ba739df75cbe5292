// The plan of a program: what its values are, and when each instruction runs.
#include <fmt/format.h>

#include <algorithm>

#include "framework/program/passes.hpp"
#include "framework/program/program.hpp"
#include "framework/program/trace.hpp"

namespace unroll::detail {
namespace {

using Role = ProgramValue::Role;

// Builds a program from the trace of a step and its gradient.
template <class S>
class Builder {
 public:
  Builder(const Trace<S>& traced, std::size_t step_instructions, Program<S>& program)
      : trace_(traced),
        program_(program),
        code_{traced.instructions(), step_instructions, &program.next, &program.gradients} {}

  std::string failure;
  void build() {
    merge_equal(code_);
    drop_unused(code_);
    describe_values();
    if (!failure.empty()) return;
    find_phases();
    const auto are_alike = [&](int a, int b) {
      return is_row(a) && is_row(b) && value(a).width == value(b).width;
    };
    add_into_products(code_, are_alike, [&](int a, int b) { return phases_[at(a)] == phases_[at(b)]; });
    distribute();
    keep_over_time();
  }

 private:
  static std::size_t at(int number) { return static_cast<std::size_t>(number); }
  ProgramValue& value(int number) { return program_.values[static_cast<std::size_t>(number)]; }
  const Shape& shape(int number) const { return trace_.values()[static_cast<std::size_t>(number)].shape(); }
  bool is_row(int number) { return value(number).role != Role::external && value(number).role != Role::sum; }
  void fail(const Instruction<S>& instruction, const char* what) {
    if (failure.empty()) failure = fmt::format("{}: {}", name_of(instruction), what);
  }

  void describe_values() {
    auto& values = program_.values;
    values.resize(trace_.values().size());
    const auto rows = [&](int number, Role role) {
      value(number).role = role;
      value(number).width = shape(number).back();
    };
    for (std::size_t n = 0; n < values.size(); ++n) {
      if (trace_.is_external(static_cast<int>(n))) {
        values[n].role = Role::external;
        values[n].shape = shape(static_cast<int>(n));
      }
    }
    rows(0, Role::x);
    for (std::size_t k = 0; k < program_.states; ++k) rows(static_cast<int>(1 + k), Role::state);
    for (const int up : program_.upstream) rows(up, Role::upstream);
    for (const auto& instruction : all_) {
      check(instruction);
      if (!failure.empty()) return;
      if (is_sum(instruction)) {
        value(instruction.output).role = Role::sum;
        value(instruction.output).shape = shape(instruction.output);
      } else {
        const Shape& out = shape(instruction.output);
        if (out.size() != 2 || out[0] != kTracedRows)
          return fail(instruction, "a result without a row for each sequence");
        rows(instruction.output, Role::rows);
      }
    }
  }

  bool is_sum(const Instruction<S>& op) {
    if (std::any_of(op.inputs.begin(), op.inputs.end(), [&](int in) { return value(in).role == Role::sum; }))
      return true;
    if (op.kind == Kind::reduce) return op.axis == 0;
    return op.kind == Kind::product && op.transpose_a;
  }

  // Checks that an instruction does the same for any number of rows.
  void check(const Instruction<S>& op) {
    const auto sums = static_cast<std::size_t>(std::count_if(
        op.inputs.begin(), op.inputs.end(), [&](int in) { return value(in).role == Role::sum; }));
    if (sums > 0) {
      const bool adds =
          op.kind == Kind::binary && sums == 2 && op.binary.same == kernel::pointwise<S>().add.same;
      const bool fits = op.kind == Kind::reshape || adds;
      if (!fits) fail(op, "of a sum over the rows");
      return;
    }
    switch (op.kind) {
      case Kind::unary:
      case Kind::zeros:
      case Kind::standardize:
        return;
      case Kind::binary:
        for (const int in : op.inputs) {
          if (is_row(in)) continue;
          const Shape& s = shape(in);
          const bool one_row = s.size() < 2 || (s.size() == 2 && s[0] == 1);
          if (!one_row) fail(op, "with a parameter or constant of several rows");
        }
        return;
      case Kind::product:
        if (op.transpose_a) {
          if (!is_row(op.inputs[0]) || !is_row(op.inputs[1])) fail(op, "of a transposed parameter");
        } else if (!is_row(op.inputs[0]) || is_row(op.inputs[1])) {
          fail(op, "by what is no parameter");
        }
        if (op.inputs.size() > 2 && is_row(op.inputs[2])) fail(op, "with a bias that is no parameter");
        return;
      case Kind::cut:
      case Kind::pad:
      case Kind::softmax:
        if (op.axis != 1) fail(op, "along the rows");
        return;
      case Kind::join:
        if (op.axis != 1) fail(op, "along the rows");
        for (const int in : op.inputs)
          if (!is_row(in)) fail(op, "of a parameter or constant");
        return;
      case Kind::reduce:
        if (op.axis > 1) fail(op, "over several axes");
        return;
      case Kind::fill:
      case Kind::reshape:
        if (op.kind == Kind::reshape || shape(op.inputs[0]).size() != 2 || shape(op.inputs[0])[1] != 1)
          fail(op, "of rows");
        return;
    }
  }

  // Returns, by value, whether it is computed from one of these.
  std::vector<bool> dependents(const std::vector<int>& roots) const {
    std::vector<bool> result(program_.values.size(), false);
    for (const int root : roots) result[static_cast<std::size_t>(root)] = true;
    for (const auto& op : all_) {
      for (const int in : op.inputs) {
        if (result[static_cast<std::size_t>(in)]) result[static_cast<std::size_t>(op.output)] = true;
      }
    }
    return result;
  }
  // Returns, by value, whether one of these is computed from it.
  std::vector<bool> sources(const std::vector<int>& targets) const {
    std::vector<bool> result(program_.values.size(), false);
    for (const int target : targets) {
      if (target >= 0) result[static_cast<std::size_t>(target)] = true;
    }
    for (std::size_t i = all_.size(); i-- > 0;) {
      if (!result[static_cast<std::size_t>(all_[i].output)]) continue;
      for (const int in : all_[i].inputs) result[static_cast<std::size_t>(in)] = true;
    }
    return result;
  }

  // Where an instruction's result is made, by its number.
  using List = std::vector<Instruction<S>>*;
  void find_phases() {
    std::vector<int> state_numbers, state_gradients;
    for (std::size_t k = 0; k < program_.states; ++k) {
      state_numbers.push_back(static_cast<int>(1 + k));
      state_gradients.push_back(program_.gradients[1 + k]);
    }
    const auto from_state = dependents(state_numbers), to_next = sources(program_.next),
               from_upstream = dependents(program_.upstream), to_state_gradient = sources(state_gradients);
    phases_.assign(program_.values.size(), nullptr);
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const auto& op = all_[i];
      const std::size_t out = at(op.output);
      const bool is_forward = i < code_.step_size;
      auto& phases = is_forward ? program_.forward : program_.backward;
      if (program_.values[out].role == Role::sum) {
        phases_[out] =
            op.kind == Kind::reduce || op.kind == Kind::product ? &program_.sums : &program_.of_sums;
      } else if (!(is_forward ? from_state : from_upstream)[out]) {
        phases_[out] = &phases.before;
      } else if ((is_forward ? to_next : to_state_gradient)[out]) {
        phases_[out] = &phases.loop;
      } else {
        phases_[out] = &phases.after;
      }
    }
  }
  void distribute() {
    for (const auto& op : all_) phases_[at(op.output)]->push_back(op);
  }

  // What another phase reads is kept for all steps.
  void keep_over_time() {
    value(0).over_time = true;
    std::vector<const std::vector<Instruction<S>>*> owner(program_.values.size(), nullptr);
    const auto read = [&](const std::vector<Instruction<S>>& list, const std::vector<Instruction<S>>* phase) {
      for (const auto& op : list) {
        for (const int in : op.inputs) {
          if (!is_row(in)) continue;
          const bool is_own = owner[static_cast<std::size_t>(in)] == phase;
          const bool is_state = value(in).role == Role::state && phase == &program_.forward.loop;
          const bool is_upstream = value(in).role == Role::upstream && phase == &program_.backward.loop;
          if (!is_own && !is_state && !is_upstream) value(in).over_time = true;
        }
      }
    };
    auto& [fb, fl, fa] = program_.forward;
    auto& [bb, bl, ba] = program_.backward;
    for (const auto* list : {&fb, &fl, &fa, &bb, &bl, &ba}) {
      for (const auto& op : *list) owner[static_cast<std::size_t>(op.output)] = list;
    }
    for (const auto* list : {&fb, &fl, &fa, &bb, &bl, &ba}) read(*list, list);
    read(program_.sums, &ba);
    for (const int number : program_.next) {  // read in the loop
      if (is_row(number) && owner[static_cast<std::size_t>(number)] == &fb) value(number).over_time = true;
    }
    if (program_.gradients[0] >= 0) value(program_.gradients[0]).over_time = true;
  }

  const Trace<S>& trace_;
  Program<S>& program_;
  StepCode<S> code_;
  const std::vector<Instruction<S>>& all_ = code_.list;
  std::vector<List> phases_;  // by number
};

}  // namespace

template <class S>
std::string plan(const Trace<S>& traced, std::size_t step_instructions, Program<S>& program) {
  Builder<S> builder(traced, step_instructions, program);
  builder.build();
  return builder.failure;
}
template std::string plan(const Trace<float>&, std::size_t, Program<float>&);
template std::string plan(const Trace<double>&, std::size_t, Program<double>&);

}  // namespace unroll::detail
