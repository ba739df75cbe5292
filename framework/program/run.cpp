#include "framework/program/run.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "framework/kernels/gemm.hpp"
#include "framework/kernels/reduce_axes.hpp"
#include "framework/program/machine.hpp"

namespace unroll::detail {

namespace {

std::size_t at(int number) { return static_cast<std::size_t>(number); }

// Consecutive steps, in the order in which they run, and their rows among those of all steps.
struct Chunk {
  std::size_t begin = 0, end = 0;  // steps
  std::size_t first = 0, count = 0;
};

// Cuts the steps into chunks of about so many rows.
std::vector<Chunk> chunks_of(const StepRows& rows, std::size_t wanted) {
  std::vector<Chunk> chunks;
  for (std::size_t step = 0; step < rows.steps; ++step) {
    if (chunks.empty() || chunks.back().count >= wanted) chunks.push_back({step, step, rows.total, 0});
    Chunk& chunk = chunks.back();
    chunk.end = step + 1;
    chunk.first = std::min(chunk.first, rows.offset(rows.time(step)));
    chunk.count += rows.rows(rows.time(step));
  }
  return chunks;
}

std::size_t most_rows(const std::vector<Chunk>& chunks) {
  std::size_t most = 0;
  for (const Chunk& chunk : chunks) most = std::max(most, chunk.count);
  return most;
}

// A state while the steps run.
template <class S>
struct RunState {
  std::size_t width;
  // Whether every step writes it where the next one reads it: with one row for each sequence at every step,
  // all of its rows follow each other in time. Otherwise they are copied from step to step.
  bool in_order = false;
  S* over_time = nullptr;  // before each step, if that is kept
  S* every = nullptr;      // after each step
  // Not in order: before the step, for all sequences, and after every one.
  Buffer<S> current = {}, after = {};
  Rows<S> next = {};
};

// Returns whether the k-th state after a step is a result of the loop's own.
template <class S>
bool is_made_in_loop(const Program<S>& program, std::size_t k) {
  const auto& next = program.next;
  const auto& loop = program.forward.loop;
  return std::count(next.begin(), next.end(), next[k]) == 1 &&
         std::any_of(loop.begin(), loop.end(), [&](const auto& op) { return op.output == next[k]; });
}

// Part of an external value's gradient by number.
template <class S>
using Sums = std::map<int, Buffer<S>>;

// Adds what these rows give: column sums, and products of two values.
template <class S>
void add_rows(const Program<S>& program, const Machine<S>& machine, const Chunk& chunk, Sums<S>& sums) {
  for (const auto& op : program.sums) {
    const auto found = sums.find(op.output);
    if (found == sums.end()) continue;
    Buffer<S>& sum = found->second;
    const Rows<S>& a = machine.rows(op.inputs[0]);
    const S* rows = a.at(chunk.first, 0);
    if (op.kind == Kind::reduce) {
      Buffer<S> part(sum.size());
      kernel::reduce_axis<S>(op.reduce, rows, 1, chunk.count, sum.size(), part.data());
      kernel::pointwise<S>().add.same(part.data(), sum.data(), sum.data(), sum.size());
    } else {
      const Rows<S>& b = machine.rows(op.inputs[1]);
      kernel::gemm(true, false, a.width, b.width, chunk.count, S(1), rows, a.width, b.at(chunk.first, 0),
                   b.width, S(1), sum.data(), b.width);
    }
  }
}

template <class S>
Sums<S> zero_sums(const Program<S>& program, const std::vector<bool>& wanted) {
  Sums<S> sums;
  for (const auto& op : program.sums) {
    if (!wanted[at(op.output)]) continue;
    Buffer<S> sum(element_count(program.values[at(op.output)].shape));
    std::fill_n(sum.data(), sum.size(), S(0));
    sums.emplace(op.output, std::move(sum));
  }
  return sums;
}

// What follows from sums.
template <class S>
void add_results(const Program<S>& program, const std::vector<bool>& wanted, Sums<S>& sums) {
  for (const auto& op : program.of_sums) {
    if (!wanted[at(op.output)]) continue;
    const Buffer<S>& first = sums.at(op.inputs[0]);
    Buffer<S> result(first.size());
    if (op.kind == Kind::reshape) {
      std::copy_n(first.data(), first.size(), result.data());
    } else {
      op.binary.same(first.data(), sums.at(op.inputs[1]).data(), result.data(), result.size());
    }
    sums.emplace(op.output, std::move(result));
  }
}

}  // namespace

template <class S>
ProgramRun<S>::ProgramRun(std::shared_ptr<const Program<S>> program, VarList<S> inputs)
    : program_(std::move(program)), inputs_(std::move(inputs)), kept_(program_->values.size()) {}

template <class S>
VarList<S> ProgramRun<S>::run(const StepRows& rows, bool keep, const NeedsGrad& wanted) {
  const Program<S>& program = *program_;
  Machine<S> machine(program, inputs_);
  const auto& phases = program.forward;
  const std::vector<Chunk> chunks = chunks_of(rows, machine.block_of({&phases.before, &phases.after}));
  const std::size_t most = most_rows(chunks);
  const Calls<S> before = machine.prepare(phases.before, kept_, rows.total, most);
  std::vector<RunState<S>> states;
  for (std::size_t k = 0; k < program.states; ++k) {
    const int number = static_cast<int>(1 + k);
    RunState<S> state{.width = program.values[at(number)].width};
    const S* initial = inputs_[1 + k].data();
    const std::size_t size = rows.batch * state.width;
    if (rows.sizes == nullptr && is_made_in_loop(program, k)) {
      kept_[at(number)] = Buffer<S>(rows.total * state.width + size);
      S* const all = kept_[at(number)].data();
      state.in_order = true;
      state.over_time = rows.reverse ? all + size : all;
      state.every = rows.reverse ? all : all + size;
      std::copy_n(initial, size, state.over_time + rows.offset(rows.time(0)) * state.width);
      machine.place(program.next[k], state.every, true);
    } else {
      state.current = Buffer<S>(size);
      std::copy_n(initial, size, state.current.data());
      state.after = Buffer<S>(rows.total * state.width);
      state.every = state.after.data();
      if (program.values[at(number)].over_time) {
        kept_[at(number)] = Buffer<S>(rows.total * state.width);
        state.over_time = kept_[at(number)].data();
      }
    }
    if (state.in_order) machine.place(number, state.over_time, true);
    if (!state.in_order) machine.place(number, state.current.data(), false);
    states.push_back(std::move(state));
  }
  const Calls<S> loop = machine.prepare(phases.loop, kept_, rows.total, rows.batch);
  for (std::size_t k = 0; k < program.states; ++k) {
    states[k].next = machine.rows(program.next[k]);
    if (states[k].over_time != nullptr) machine.place(static_cast<int>(1 + k), states[k].over_time, true);
  }
  const Calls<S> after = machine.prepare(phases.after, kept_, rows.total, most);

  for (const Chunk& chunk : chunks) {
    before.run(chunk.first, chunk.count);
    for (std::size_t step = chunk.begin; step < chunk.end; ++step) {
      const std::size_t t = rows.time(step), count = rows.rows(t), first = rows.offset(t);
      for (const RunState<S>& s : states) {
        if (!s.in_order && s.over_time != nullptr)
          std::copy_n(s.current.data(), count * s.width, s.over_time + first * s.width);
      }
      loop.run(first, count);
      for (const RunState<S>& s : states) {
        if (!s.in_order) std::copy_n(s.next.at(first, 0), count * s.width, s.every + first * s.width);
      }
      // Only now: a state may be what another one becomes.
      for (RunState<S>& s : states) {
        if (!s.in_order) std::copy_n(s.every + first * s.width, count * s.width, s.current.data());
      }
    }
    if (keep) after.run(chunk.first, chunk.count);
  }

  VarList<S> every(program.states);
  places_.assign(kept_.size(), nullptr);
  for (std::size_t n = 0; n < kept_.size(); ++n) {
    if (kept_[n].size() > 0) places_[n] = kept_[n].data();
  }
  for (std::size_t k = 0; k < program.states; ++k) {
    const RunState<S>& s = states[k];
    if (s.in_order) {
      places_[1 + k] = s.over_time;
      places_[at(program.next[k])] = s.every;
    }
    const S* last =
        s.in_order ? s.every + rows.offset(rows.time(rows.steps - 1)) * s.width : s.current.data();
    final_states.push_back(Var<S>::uninitialized({rows.batch, s.width}));
    std::copy_n(last, rows.batch * s.width, final_states.back().raw());
    if (wanted[k] == 0) continue;
    Shape shape = inputs_[0].shape();
    shape.back() = s.width;
    every[k] = Var<S>::uninitialized(shape);
    std::copy_n(s.every, rows.total * s.width, every[k].raw());
  }
  if (!keep) kept_.clear();
  return every;
}

template <class S>
VarList<S> ProgramRun<S>::gradients(const StepRows& rows, const VarList<S>& every, const VarList<S>& last,
                                    const NeedsGrad& needs_grad) const {
  const Program<S>& program = *program_;
  // After the loop only what is asked for is computed.
  std::vector<bool> wanted(program.values.size(), false);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (needs_grad[i] && program.gradients[i] >= 0) wanted[at(program.gradients[i])] = true;
  }
  for (const auto* list : {&program.of_sums, &program.sums, &program.backward.after}) {
    for (std::size_t i = list->size(); i-- > 0;) {
      if (!wanted[at((*list)[i].output)]) continue;
      for (const int in : (*list)[i].inputs) wanted[at(in)] = true;
    }
  }
  std::vector<Instruction<S>> after_list;
  std::copy_if(program.backward.after.begin(), program.backward.after.end(), std::back_inserter(after_list),
               [&](const Instruction<S>& op) { return wanted[at(op.output)]; });

  Machine<S> machine(program, inputs_);
  for (std::size_t n = 0; n < places_.size(); ++n) {
    if (places_[n] != nullptr) machine.place(static_cast<int>(n), const_cast<S*>(places_[n]), true);
  }
  std::vector<Buffer<S>> own(program.values.size());
  const auto& phases = program.backward;
  const std::vector<Chunk> chunks = chunks_of(rows, machine.block_of({&phases.before, &after_list}));
  const std::size_t most = most_rows(chunks);
  const Calls<S> before = machine.prepare(phases.before, own, rows.total, most);
  struct State {
    std::size_t width;
    S* running;      // the gradient of the state after the current step, for all sequences
    const S* every;  // what arrives for the states after each step, or null
    Rows<S> upstream, gradient = {};
  };
  VarList<S> running;
  std::vector<State> states;
  for (std::size_t k = 0; k < program.states; ++k) {
    const int number = program.upstream[k];
    const ProgramValue& value = program.values[at(number)];
    running.push_back(last[k].defined() ? Var<S>::copy_of(last[k].value())
                                        : Var<S>::zeros({rows.batch, value.width}));
    own[at(number)] = Buffer<S>((value.over_time ? rows.total : rows.batch) * value.width);
    machine.place(number, own[at(number)].data(), value.over_time);
    states.push_back({value.width, running.back().raw(), every[k].defined() ? every[k].data() : nullptr,
                      machine.rows(number)});
  }
  const Calls<S> loop = machine.prepare(phases.loop, own, rows.total, rows.batch);
  for (std::size_t k = 0; k < program.states; ++k) {
    if (program.gradients[1 + k] >= 0) states[k].gradient = machine.rows(program.gradients[1 + k]);
  }
  const Calls<S> after = machine.prepare(after_list, own, rows.total, most);
  Sums<S> sums = zero_sums(program, wanted);

  const auto& add = kernel::pointwise<S>().add;
  for (std::size_t c = chunks.size(); c-- > 0;) {
    const Chunk& chunk = chunks[c];
    before.run(chunk.first, chunk.count);
    for (std::size_t step = chunk.end; step-- > chunk.begin;) {
      const std::size_t t = rows.time(step), count = rows.rows(t), first = rows.offset(t);
      for (const State& s : states) {
        S* to = s.upstream.at(first, 0);
        if (s.every != nullptr) {
          add.same(s.running, s.every + first * s.width, to, count * s.width);
        } else {
          std::copy_n(s.running, count * s.width, to);
        }
      }
      loop.run(first, count);
      for (const State& s : states) {
        if (s.gradient.numbers == nullptr) {
          std::fill_n(s.running, count * s.width, S(0));
        } else {
          std::copy_n(s.gradient.at(first, 0), count * s.width, s.running);
        }
      }
    }
    after.run(chunk.first, chunk.count);
    add_rows(program, machine, chunk, sums);
  }
  add_results(program, wanted, sums);

  VarList<S> result(inputs_.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const int number = program.gradients[i];
    if (!needs_grad[i]) continue;
    if (i >= 1 && i <= program.states) {
      result[i] = running[i - 1];
    } else if (number >= 0) {
      result[i] = Var<S>::uninitialized(inputs_[i].shape());
      const S* from = i == 0 ? machine.rows(number).numbers : sums.at(number).data();
      std::copy_n(from, result[i].size(), result[i].raw());
    }
  }
  return result;
}

template class ProgramRun<float>;
template class ProgramRun<double>;

}  // namespace unroll::detail
