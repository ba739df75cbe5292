#include "layers/kernels/grid.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace unroll::bptt {

using detail::Grid;

namespace {

// Elements of a cell's matrices: the work per row.
template <class S>
std::size_t matrix_elements(const VarList<S>& inputs, std::size_t state_vars) {
  std::size_t elements = 0;
  for (std::size_t i = 1 + state_vars; i < inputs.size(); ++i) {
    if (inputs[i].defined() && inputs[i].dimension() == 2) elements += inputs[i].size();
  }
  return elements;
}

template <class S>
bool any_defined(const VarList<S>& list) {
  return std::any_of(list.begin(), list.end(), [](const Var<S>& var) { return var.defined(); });
}

bool any_needs_grad(const NeedsGrad& needs_grad) {
  return std::find(needs_grad.begin(), needs_grad.end(), 1) != needs_grad.end();
}

}  // namespace

template <class S>
bool PassGrid<S>::runs_at_once() const {
  PooledVector<std::size_t> weights;
  for (const Pass& pass : passes) weights.push_back(matrix_elements(pass.inputs, state_vars));
  return passes_at_once(kind, passes[0].all.layout, weights);
}

template <class S>
void PassGrid<S>::run(const Var<S>& x, bool keep, bool at_once) {
  const std::size_t count = passes.size();
  if (count == 1) {
    Pass& pass = passes[0];
    Forward<S> forward(pass.kernel, x.shape(), pass.inputs, pass.all.layout, keep || all_states, pass.result);
    return forward.run(pass.all, x.data());
  }
  const PooledVector<TimeChunk> chunks =
      time_chunks(passes[0].all.layout, detail::chunk_count(kind, at_once));
  PooledVector<std::optional<Forward<S>>> forward(count);
  run_schedule(kind, at_once, count, chunks.size(), [&](std::size_t p, std::size_t stage) {
    Pass& pass = passes[p];
    if (stage == 0) {
      Shape shape = x.shape();
      if (is_fed(p)) shape.back() = pass.inputs[1 + state_vars].shape(1);
      forward[p].emplace(pass.kernel, shape, pass.inputs, pass.all.layout, keep || all_states, pass.result);
    } else if (stage <= chunks.size()) {
      const S* input = is_fed(p) ? passes[p - 1].result.output.data() : x.data();
      if (kind == Grid::stacked) {
        forward[p]->run(chunks[stage - 1], input);
      } else {  // the directions cut time differently
        forward[p]->run(pass.all, input);
      }
    }
  });
  for (std::size_t p = 0; p < count; ++p) {
    if (is_fed(p)) passes[p].inputs[0] = passes[p - 1].result.output;
  }
}

template <class S>
VarList<S> PassGrid<S>::inputs() const {
  VarList<S> all;
  for (std::size_t p = passes.size(); p-- > 0;)
    all.insert(all.end(), passes[p].inputs.begin() + (is_fed(p) ? 1 : 0), passes[p].inputs.end());
  return all;
}

template <class S>
VarList<S> PassGrid<S>::outputs() const {
  VarList<S> all;
  for (std::size_t p = passes.size(); p-- > 0;) {
    VarList<S> own = passes[p].result.outputs(all_states);
    if (passes.size() == 1) return own;
    all.insert(all.end(), own.begin() + (feeds(p) ? 1 : 0), own.end());
  }
  return all;
}

template <class S>
VarList<S> PassGrid<S>::gradients(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
  if (passes.size() == 1) {
    const Pass& pass = passes[0];
    Backward<S> backward(pass.kernel, pass.inputs, pass.all.layout, pass.result, upstream, needs_grad);
    backward.run(pass.all, upstream[0].defined() ? upstream[0].data() : nullptr);
    backward.run_input(pass.all);
    backward.run_weights();
    return std::move(backward.gradients);
  }
  const std::size_t count = passes.size(), per_pass = 1 + state_vars + (all_states ? state_vars - 1 : 0);
  PooledVector<VarList<S>> arriving(count), found(count);
  PooledVector<NeedsGrad> own_needs_grad(count);
  auto up = upstream.begin();
  auto need = needs_grad.begin();
  for (std::size_t p = count; p-- > 0;) {
    if (feeds(p)) arriving[p].emplace_back();
    if (is_fed(p)) own_needs_grad[p].push_back(0);
    const auto outputs = static_cast<std::ptrdiff_t>(per_pass - arriving[p].size());
    const auto inputs = static_cast<std::ptrdiff_t>(passes[p].inputs.size() - own_needs_grad[p].size());
    arriving[p].insert(arriving[p].end(), up, up + outputs);
    own_needs_grad[p].insert(own_needs_grad[p].end(), need, need + inputs);
    up += outputs;
    need += inputs;
  }
  for (std::size_t p = 1; p < count; ++p) {  // x's gradient is needed if the pass before needs one
    if (is_fed(p)) own_needs_grad[p][0] = any_needs_grad(own_needs_grad[p - 1]);
  }
  run_back(arriving, own_needs_grad, found);
  VarList<S> all;
  all.reserve(needs_grad.size());
  for (std::size_t p = count; p-- > 0;)
    std::move(found[p].begin() + (is_fed(p) ? 1 : 0), found[p].end(), std::back_inserter(all));
  return all;
}

template <class S>
void PassGrid<S>::run_back(std::span<const VarList<S>> upstream, std::span<const NeedsGrad> needs_grad,
                           std::span<VarList<S>> gradients) const {
  const std::size_t count = passes.size();
  // A pass runs if a gradient is needed and one arrives, from above or from the pass that it feeds.
  PooledVector<std::size_t> running;  // the last one first
  PooledVector<std::size_t> weights;
  bool arrives = false;
  for (std::size_t p = count; p-- > 0;) {
    gradients[p].resize(passes[p].inputs.size());
    arrives = any_defined(upstream[p]) || (feeds(p) && arrives);
    if (!arrives || !any_needs_grad(needs_grad[p])) continue;
    running.push_back(p);
    weights.push_back(matrix_elements(passes[p].inputs, state_vars));
  }
  if (running.empty()) return;

  const BatchLayout& layout = passes[running.front()].all.layout;
  const bool at_once = passes_at_once(kind, layout, weights);
  const PooledVector<TimeChunk> chunks = time_chunks(layout, detail::chunk_count(kind, at_once));
  PooledVector<std::optional<Backward<S>>> backward(count);
  run_schedule(kind, at_once, running.size(), chunks.size(), [&](std::size_t position, std::size_t stage) {
    const std::size_t p = running[position], last = chunks.size();
    const Pass& pass = passes[p];
    if (stage == 0) {
      backward[p].emplace(pass.kernel, pass.inputs, pass.all.layout, pass.result, upstream[p], needs_grad[p]);
    } else if (stage <= last) {
      const bool is_above = feeds(p) && backward[p + 1].has_value();
      const Var<S>& up = is_above ? backward[p + 1]->gradients[0] : upstream[p][0];
      const auto run = [&](const TimeChunk& steps) {
        backward[p]->run(steps, up.defined() ? up.data() : nullptr);
        backward[p]->run_input(steps);
      };
      if (kind == Grid::stacked) {
        run(chunks[last - stage]);
      } else {
        run(pass.all);
      }
    } else {
      backward[p]->run_weights();
    }
  });
  for (const std::size_t p : running) gradients[p] = std::move(backward[p]->gradients);
}

template struct PassGrid<float>;
template struct PassGrid<double>;

}  // namespace unroll::bptt
