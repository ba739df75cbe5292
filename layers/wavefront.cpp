#include "layers/wavefront.hpp"

#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>

#include "framework/block_log.hpp"
#include "framework/kernels/parallel.hpp"
#include "framework/pool_share.hpp"

namespace unroll::detail {
namespace {

constexpr std::size_t kStretches = 8;

// Hands out what two threads may run: a layer's stages in order, and a stretch of a layer after the same
// stretch of the layer before it.
class Schedule {
 public:
  struct Task {
    std::size_t layer, stage;
  };

  Schedule(std::size_t layers, std::size_t stretches)
      : stages_(stretches + 2), layers_(layers), left_(layers * stages_) {}

  // What the thread is to run next, once there is something; none: all has been given out, or one has thrown.
  std::optional<Task> next(std::size_t thread) {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (left_ == 0 || thrown_ != nullptr) return std::nullopt;
      if (const auto layer = best_for(thread)) {
        Layer& chosen = layers_[*layer];
        chosen.runs = true;
        chosen.thread = thread;
        --left_;
        return Task{*layer, chosen.done};
      }
      changed_.wait(lock);
    }
  }
  void done(std::size_t layer) {
    {
      const std::lock_guard lock(mutex_);
      ++layers_[layer].done;
      layers_[layer].runs = false;
    }
    changed_.notify_one();
  }
  void fail(std::exception_ptr thrown) {
    {
      const std::lock_guard lock(mutex_);
      if (thrown_ == nullptr) thrown_ = std::move(thrown);
    }
    changed_.notify_one();
  }
  void rethrow() const {
    if (thrown_ != nullptr) std::rethrow_exception(thrown_);
  }

 private:
  static constexpr std::size_t kNone = 2;
  struct Layer {
    std::size_t done = 0;        // stages
    std::size_t thread = kNone;  // that ran the last one and has the weights in its caches
    bool runs = false;
  };

  bool is_ready(std::size_t l) const {
    const std::size_t stage = layers_[l].done;
    if (layers_[l].runs || stage == stages_) return false;
    return l == 0 || stage == 0 || stage + 1 == stages_ || layers_[l - 1].done > stage;
  }
  // First what others wait for, the last stage of a layer after that, and another thread's layers at the end;
  // among equals the one that is furthest from the beginning.
  std::optional<std::size_t> best_for(std::size_t thread) const {
    std::optional<std::size_t> best;
    int best_rank = 4;
    for (std::size_t l = layers_.size(); l-- > 0;) {
      if (!is_ready(l)) continue;
      const bool foreign = layers_[l].thread != kNone && layers_[l].thread != thread;
      const int rank = 2 * (foreign ? 1 : 0) + (layers_[l].done + 1 == stages_ ? 1 : 0);
      if (rank < best_rank) best = l, best_rank = rank;
    }
    return best;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t stages_;
  std::vector<Layer> layers_;
  std::size_t left_;  // tasks not given out
  std::exception_ptr thrown_;
};

}  // namespace

bool layers_at_once(const bptt::Steps& steps, std::span<const std::size_t> weights) noexcept {
  // Measured: what threads wait for each other takes as long as 2^23 multiplications of all layers but one,
  // and from 16 sequences on two threads do as well with shared rows.
  constexpr std::size_t kMultiplications = std::size_t{1} << 23, kManySequences = 16;
  if (kernel::threads_here() < 2 || block_log != nullptr || steps.count() < 2 * kStretches) return false;
  if (weights.size() < 2) return false;
  const std::size_t all = std::accumulate(weights.begin(), weights.end(), std::size_t{0});
  const std::size_t largest = *std::max_element(weights.begin(), weights.end());
  const std::size_t parts = bptt::loop_parts(steps, steps.total * largest);
  return (all - largest) * steps.total >= kMultiplications &&
         (parts < 2 || (parts == 2 && steps.batch < kManySequences));
}

std::size_t stretch_count(bool at_once) noexcept { return at_once ? kStretches : 1; }

Stretches::Stretches(const bptt::Steps& all, std::size_t count) {
  parts_.reserve(count);
  std::size_t first = 0;
  for (std::size_t i = 1; i <= count; ++i) {
    std::size_t last = first;
    while (last < all.count() && (i == count || all.offset(last) * count < all.total * i)) ++last;
    parts_.push_back({all.stretch(first, last), first < all.count() ? all.offset(first) : all.total,
                      first > 0 ? all.offset(first - 1) : 0});
    first = last;
  }
}

bptt::Stretch Stretches::operator[](std::size_t i) const noexcept {
  return {parts_[i].steps, parts_[i].row, i == 0, parts_[i].row_before};
}

void run_wavefront(bool at_once, std::size_t layers, std::size_t stretches,
                   void (*run)(void*, std::size_t, std::size_t), void* context) {
  if (!at_once) {
    for (std::size_t layer = 0; layer < layers; ++layer) {
      for (std::size_t stage = 0; stage < stretches + 2; ++stage) run(context, layer, stage);
    }
    return;
  }
  const PoolShare share;
  Schedule schedule(layers, stretches);
  kernel::parallel(2, [&](std::size_t thread) {
    std::optional<PoolShare::Use> use;
    if (thread == 1) use.emplace(share);
    while (const auto task = schedule.next(thread)) {
      try {
        run(context, task->layer, task->stage);
        schedule.done(task->layer);
      } catch (...) {
        schedule.fail(std::current_exception());
      }
    }
  });
  schedule.rethrow();
}

}  // namespace unroll::detail
