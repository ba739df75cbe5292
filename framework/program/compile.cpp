// From a step to a program: the gradient is traced from the ops' own rules.
#include <algorithm>
#include <deque>
#include <exception>

#include "framework/program/compile.hpp"
#include "framework/program/program.hpp"
#include "framework/program/trace.hpp"

namespace unroll::detail {
namespace {

using Role = ProgramValue::Role;

constexpr std::size_t kRows = kTracedRows, kOtherRows = 3;

template <class S>
VarList<S> example_rows(const std::vector<std::size_t>& widths, std::size_t rows, bool parameters) {
  VarList<S> result;
  for (const std::size_t width : widths) {
    Tensor<S> tensor = full<S>({rows, width}, S(0.25));
    result.push_back(parameters ? parameter(std::move(tensor)) : Var<S>(std::move(tensor)));
  }
  return result;
}

template <class S>
void take_outputs(Trace<S>& traced, const VarList<S>& outputs, const VarList<S>& rows,
                  std::vector<int>& next) {
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    next.push_back(outputs[k].defined() ? traced.row_of(outputs[k].get()) : -1);
    if (next.back() < 0) traced.fail("step() returns a state that it has not computed from x and the state");
    if (next.back() >= 0 && outputs[k].shape() != rows[1 + k].shape())
      traced.fail("step() returns a state of another shape");
  }
}

// The result of tracing a step, without its gradient.
template <class S>
struct StepTrace {
  std::string failure;
  std::vector<Instruction<S>> instructions;
  std::vector<int> next;
  std::vector<int> external_numbers;
  VarList<S> externals;
};

template <class S>
StepTrace<S> trace_step(const StepFunction<S>& step, const std::vector<std::size_t>& widths,
                        std::size_t rows) {
  StepTrace<S> result;
  if (std::find(widths.begin(), widths.end(), 0) != widths.end()) {
    result.failure = "a state that is not (B,W)";
    return result;
  }
  const VarList<S> inputs = example_rows<S>(widths, rows, false);
  Trace<S> traced(inputs);
  // What a step throws on example rows only, it may not throw at all; otherwise the tape will.
  try {
    take_outputs(traced, step(inputs), inputs, result.next);
  } catch (const std::exception& error) {
    traced.fail(std::string("step() throws on example rows: ") + error.what());
  }
  traced.stop();
  result.failure = traced.failure();
  result.instructions = traced.take_instructions();
  for (std::size_t n = 0; n < traced.values().size(); ++n) {
    if (!traced.is_external(static_cast<int>(n))) continue;
    result.external_numbers.push_back(static_cast<int>(n));
    result.externals.push_back(traced.values()[n]);
  }
  return result;
}

template <class S>
struct Compiled {
  std::shared_ptr<const Program<S>> program;
  std::string failure;
  VarList<S> externals = {};
};

template <class S>
Compiled<S> build(const StepFunction<S>& step, const std::vector<std::size_t>& widths, bool differentiate) {
  auto program = std::make_shared<Program<S>>();
  const Tape tape;
  const VarList<S> rows = example_rows<S>(widths, kRows, true);
  Trace<S> traced(rows);
  const VarList<S> outputs = step(rows);
  program->states = widths.size() - 1;
  take_outputs(traced, outputs, rows, program->next);
  if (!traced.failure().empty()) return {nullptr, traced.failure()};
  const std::size_t step_instructions = traced.instructions().size();
  program->step = traced.instructions();

  std::vector<Var<S>> inputs(rows.begin(), rows.end());
  for (std::size_t n = 0; n < traced.values().size(); ++n) {
    if (!traced.is_external(static_cast<int>(n))) continue;
    program->externals.push_back(static_cast<int>(n));
    inputs.push_back(traced.values()[n]);
  }
  std::vector<Var<S>> found(inputs.size());
  if (differentiate) {
    const VarList<S> upstream =
        example_rows<S>(std::vector<std::size_t>(widths.begin() + 1, widths.end()), kRows, false);
    traced.add_rows(upstream);
    for (const Var<S>& up : upstream) program->upstream.push_back(traced.number_of(up));
    found = partial_gradients(std::vector<Var<S>>(outputs.begin(), outputs.end()), inputs,
                              std::vector<Var<S>>(upstream.begin(), upstream.end()));
  }
  traced.stop();
  for (const Var<S>& g : found) {
    const int number = traced.number_of(g);
    program->gradients.push_back(number >= 0 && traced.is_external(number) ? -1 : number);
  }
  if (!traced.failure().empty()) return {nullptr, "its gradient: " + traced.failure()};
  if (std::string why = plan(traced, step_instructions, *program); !why.empty()) return {nullptr, why};
  for (std::size_t i = 0; i < program->externals.size(); ++i) {
    const int g = program->gradients[widths.size() + i];
    if (g >= 0 && program->values[static_cast<std::size_t>(g)].role != Role::sum)
      return {nullptr, "a parameter with a row for each sequence"};
  }
  return {std::move(program), "",
          VarList<S>(inputs.begin() + static_cast<std::ptrdiff_t>(rows.size()), inputs.end())};
}

template <class S>
bool have_same_numbers(const Var<S>& a, const Var<S>& b) {
  return a.shape() == b.shape() && std::equal(a.elements(), a.elements() + a.size(), b.elements(),
                                              [](S x, S y) { return x == y || (x != x && y != y); });
}

template <class S>
bool have_same_numbers(const std::vector<Var<S>>& a, const std::vector<Var<S>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Var<S>& x, const Var<S>& y) { return have_same_numbers(x, y); });
}

// Returns the external values that are no parameters.
template <class S>
std::vector<Var<S>> constants_of(const StepTrace<S>& traced) {
  std::vector<Var<S>> result;
  for (const Var<S>& var : traced.externals) {
    if (var.get()->leaf == nullptr) result.push_back(var);
  }
  return result;
}

template <class S>
bool have_same_structure(const StepTrace<S>& a, const StepTrace<S>& b) {
  const auto alike = [](const Var<S>& x, const Var<S>& y) {
    return x.shape() == y.shape() && (x.get()->leaf == nullptr) == (y.get()->leaf == nullptr);
  };
  return a.instructions == b.instructions && a.next == b.next && a.external_numbers == b.external_numbers &&
         std::equal(a.externals.begin(), a.externals.end(), b.externals.begin(), b.externals.end(), alike);
}

// Returns why a step is not the same in every call, or "": the same one again, with another number of rows.
template <class S>
std::string instability(const StepTrace<S>& traced, const StepFunction<S>& step,
                        const std::vector<std::size_t>& widths) {
  const NoGrad not_on_the_callers_tape;
  const StepTrace<S> again = trace_step(step, widths, kOtherRows);
  if (!again.failure.empty()) return again.failure;
  if (!have_same_structure(traced, again)) return "step() is not the same for every batch size and call";
  if (!have_same_numbers(constants_of(traced), constants_of(again)))
    return "step() uses a constant that differs from call to call (random numbers?)";
  return "";
}

// Returns the program of a traced step from this thread's cache, or makes it.
template <class S>
Compiled<S> find_or_build(const StepTrace<S>& traced, const StepFunction<S>& step,
                          const std::function<StepFunction<S>()>& fresh,
                          const std::vector<std::size_t>& widths) {
  struct Entry {
    std::vector<std::size_t> widths;
    StepTrace<S> traced;
    std::vector<Var<S>> constants;  // when the step was last seen to be stable
    Compiled<S> compiled;
  };
  constexpr std::size_t kMost = 64;
  thread_local std::deque<Entry> cache;
  const std::vector<Var<S>> constants = constants_of(traced);
  const auto remember = [&](Entry& entry) {
    entry.constants.clear();
    for (const Var<S>& var : constants) entry.constants.push_back(var.detach());
  };
  for (Entry& entry : cache) {
    if (entry.widths != widths || !have_same_structure(entry.traced, traced)) continue;
    if (have_same_numbers(constants, entry.constants)) return entry.compiled;
    if (std::string why = instability(traced, step, widths); !why.empty()) return {nullptr, why};
    remember(entry);
    return entry.compiled;
  }
  if (std::string why = instability(traced, step, widths); !why.empty()) return {nullptr, why};
  Compiled<S> compiled;
  try {
    compiled = build(fresh(), widths, true);
    compiled.externals.clear();  // of the fresh step
  } catch (const std::exception& error) {
    compiled.failure = std::string("its gradient throws on example rows: ") + error.what();
  }
  if (compiled.program != nullptr && (compiled.program->step != traced.instructions ||
                                      compiled.program->externals != traced.external_numbers))
    compiled = {nullptr, "step() is not the same in every call"};
  if (cache.size() == kMost) cache.pop_front();
  cache.push_back({widths, traced, {}, compiled});
  remember(cache.back());
  // The cache keeps shapes, not the memory of a model.
  for (Var<S>& var : cache.back().traced.externals) {
    const Shape shape = var.shape();
    var = var.get()->leaf != nullptr ? parameter(Tensor<S>(shape)) : Var<S>(Tensor<S>(shape));
  }
  return compiled;
}

}  // namespace

template <class S>
CompiledStep<S> compile(const StepFunction<S>& step, const std::function<StepFunction<S>()>& fresh,
                        const std::vector<std::size_t>& widths) {
  StepTrace<S> traced = trace_step(step, widths, kRows);
  if (!traced.failure.empty()) return {nullptr, {}, {}, std::move(traced.failure)};
  Compiled<S> compiled = find_or_build(traced, step, fresh, widths);
  NeedsGrad derived;
  for (const Var<S>& var : traced.externals)
    derived.push_back(var.get()->leaf == nullptr && var.requires_grad());
  return {std::move(compiled.program), std::move(traced.externals), std::move(derived),
          std::move(compiled.failure)};
}

template <class S>
CompiledStep<S> compile_forward(const StepFunction<S>& step, const std::vector<std::size_t>& widths) {
  const StepTrace<S> traced = trace_step(step, widths, kRows);
  if (!traced.failure.empty()) return {nullptr, {}, {}, traced.failure};
  if (std::string why = instability(traced, step, widths); !why.empty()) return {nullptr, {}, {}, why};
  Compiled<S> compiled = build(step, widths, false);
  return {std::move(compiled.program), std::move(compiled.externals), {}, std::move(compiled.failure)};
}

template <class S>
VarList<S> externals_of(const StepFunction<S>& step, const std::vector<std::size_t>& widths) {
  return trace_step(step, widths, kRows).externals;
}

#define UNROLL_INSTANTIATE(S)                                                                        \
  template CompiledStep<S> compile(const StepFunction<S>&, const std::function<StepFunction<S>()>&,  \
                                   const std::vector<std::size_t>&);                                 \
  template CompiledStep<S> compile_forward(const StepFunction<S>&, const std::vector<std::size_t>&); \
  template VarList<S> externals_of(const StepFunction<S>&, const std::vector<std::size_t>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
