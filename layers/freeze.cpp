#include "layers/freeze.hpp"

#include <algorithm>
#include <utility>

#include "framework/program/machine.hpp"
#include "layers/stream/step_program.hpp"

namespace unroll::detail {
namespace {

template <class S>
class StepRun final : public StreamProgramRun<S> {
 public:
  StepRun(const StepProgram<S>& step, std::size_t batch, const std::vector<S*>& states)
      : batch_(batch),
        x_(Var<S>::zeros({batch, step.input})),
        machine_(*step.program, inputs(step), step.packed),
        kept_(step.program->values.size()) {
    const Program<S>& program = *step.program;
    std::size_t size = 0;
    for (std::size_t k = 0; k < program.states; ++k) size += batch * program.values[1 + k].width;
    next_ = Buffer<S>(2 * size);
    S *next = next_.data(), *own = next + size;
    for (std::size_t k = 0; k < program.states; ++k) {
      const std::size_t count = batch * program.values[1 + k].width;
      S* const at = k < states.size() ? states[k] : std::exchange(own, own + count);
      machine_.place(static_cast<int>(1 + k), at, false);
      states_.push_back({at, std::exchange(next, next + count), nullptr, count});
    }
    before_ = machine_.prepare(program.forward.before, kept_, batch, batch, /*alone=*/true);
    loop_ = machine_.prepare(program.forward.loop, kept_, batch, batch, /*alone=*/true);
    for (std::size_t k = 0; k < program.states; ++k)
      states_[k].computed = machine_.rows(program.next[k]).numbers;
    result_ = states_[step.result].at;
    for (std::size_t k = 0; k < step.outputs.size(); ++k) {
      const State& output = states_[step.result + k];
      this->outputs.push_back({step.outputs[k], {output.at, output.count}});
    }
  }

  const S* step(const S* x) noexcept override {
    std::copy_n(x, x_.size(), x_.raw());
    before_.run(0, batch_);
    loop_.run(0, batch_);
    // A state may be what another one becomes.
    for (const State& s : states_) std::copy_n(s.computed, s.count, s.next);
    for (const State& s : states_) std::copy_n(s.next, s.count, s.at);
    return result_;
  }

 private:
  VarList<S> inputs(const StepProgram<S>& step) const {
    VarList<S> list(1 + step.program->states);
    list[0] = x_;
    list.insert(list.end(), step.externals.begin(), step.externals.end());
    return list;
  }
  struct State {
    S *at, *next;
    const S* computed;
    std::size_t count;
  };
  std::size_t batch_;
  Var<S> x_;
  Machine<S> machine_;
  std::vector<Buffer<S>> kept_;
  Buffer<S> next_;
  std::vector<State> states_;
  Calls<S> before_, loop_;
  const S* result_ = nullptr;
};

}  // namespace

template <class S>
std::unique_ptr<StreamProgramRun<S>> StepProgram<S>::start(std::size_t batch, std::vector<S*> states) const {
  return std::make_unique<StepRun<S>>(*this, batch, states);
}

template <class S>
StreamCell<S> stream_program(const LayerName& layer, const CompiledStep<S>& step, std::size_t input,
                             const StepState<S>& state) {
  if (step.program == nullptr) throw_not_frozen(layer, step.failure);
  auto result = std::make_shared<StepProgram<S>>();
  result->input = input;
  result->output = state.initial[state.output].shape(1);
  result->names = state.names;
  for (const Var<S>& var : state.initial) result->initial.push_back(Var<S>::copy_of(var.value()));
  for (const Var<S>& var : step.externals) {
    result->externals.push_back(Var<S>::copy_of(var.value()));
    result->external_names.push_back(var.name());
  }
  result->program = step.program;
  result->result = state.output;
  result->outputs = state.outputs;
  return {.kernel = {}, .input = input, .inputs = {}, .program = std::move(result)};
}

template <class S>
StreamCell<S> stream_function(const LayerName& layer, std::size_t input,
                              const std::function<Var<S>(const Var<S>&)>& f) {
  const NoGrad constants;
  const Var<S> y = f(Var<S>::zeros({1, input}));
  if (y.dimension() != 2 || y.shape(0) != 1)
    throw_not_frozen(layer, "a function that does not return (B,C) for (B,C): " + to_string(y.shape()));
  // Its result is a state that no step reads.
  const StepFunction<S> step = [&](const VarList<S>& rows) { return VarList<S>{f(rows[0])}; };
  return stream_program<S>(layer, compile_forward(step, {input, y.shape(1)}), input,
                           {.names = {}, .initial = {Var<S>::zeros({1, y.shape(1)})}, .output = 0});
}

template <class S>
void set_embedding(StreamSource<S>& source, const Embedding<S>& embedding) {
  if (!embedding.weight.defined()) throw_empty_layer(Embedding<S>::kName, "freeze");
  source.embedding = embedding.weight;
}

template <class S>
void set_head(StreamSource<S>& source, const Linear<S>& head) {
  if (!head.weight.defined()) throw_empty_layer(Linear<S>::kName, "freeze");
  source.has_head = true;
  source.head_weight = head.weight;
  source.head_bias = head.bias;
}

#define UNROLL_INSTANTIATE(S)                                                                  \
  template void set_embedding(StreamSource<S>&, const Embedding<S>&);                          \
  template void set_head(StreamSource<S>&, const Linear<S>&);                                  \
  template StreamCell<S> stream_program(const LayerName&, const CompiledStep<S>&, std::size_t, \
                                        const StepState<S>&);                                  \
  template StreamCell<S> stream_function(const LayerName&, std::size_t,                        \
                                         const std::function<Var<S>(const Var<S>&)>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
