#include "layers/recurrent/schedule.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <vector>

#include "framework/allocation_log.hpp"
#include "framework/borrowed_pool.hpp"
#include "framework/kernels/packed.hpp"
#include "framework/kernels/parallel.hpp"

namespace unroll::detail {
namespace {

constexpr std::size_t kChunks = 8;  // for a stack

// Assigns the work of a stack to two threads: the stages of a pass in order, and a chunk of a pass after the
// same chunk of the previous pass.
class StackSchedule {
 public:
  struct Task {
    std::size_t pass, stage;
  };

  StackSchedule(std::size_t passes, std::size_t chunks)
      : stages_(chunks + 2), passes_(passes), left_(passes * stages_) {}

  // Returns the thread's next task, and waits for one if necessary; none if all are assigned, or one has
  // thrown.
  std::optional<Task> next(std::size_t thread) {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (left_ == 0 || thrown_ != nullptr) return std::nullopt;
      if (const auto pass = best_for(thread)) {
        Pass& chosen = passes_[*pass];
        chosen.runs = true;
        chosen.thread = thread;
        --left_;
        return Task{*pass, chosen.done};
      }
      changed_.wait(lock);
    }
  }
  void done(std::size_t pass) {
    {
      const std::lock_guard lock(mutex_);
      ++passes_[pass].done;
      passes_[pass].runs = false;
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
  struct Pass {
    std::size_t done = 0;        // stages
    std::size_t thread = kNone;  // the thread that ran the last stage and has the weights in its caches
    bool runs = false;
  };

  bool is_ready(std::size_t p) const {
    const std::size_t stage = passes_[p].done;
    if (passes_[p].runs || stage == stages_) return false;
    return p == 0 || stage == 0 || stage + 1 == stages_ || passes_[p - 1].done > stage;
  }
  // Prefers tasks that others wait for, then the last stage of a pass, then passes of another thread; on ties
  // the one furthest from the beginning.
  std::optional<std::size_t> best_for(std::size_t thread) const {
    std::optional<std::size_t> best;
    int best_rank = 4;
    for (std::size_t p = passes_.size(); p-- > 0;) {
      if (!is_ready(p)) continue;
      const bool foreign = passes_[p].thread != kNone && passes_[p].thread != thread;
      const int rank = 2 * (foreign ? 1 : 0) + (passes_[p].done + 1 == stages_ ? 1 : 0);
      if (rank < best_rank) best = p, best_rank = rank;
    }
    return best;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t stages_;
  std::vector<Pass> passes_;
  std::size_t left_;  // unassigned tasks
  std::exception_ptr thrown_;
};

}  // namespace

std::size_t row_parts(const bptt::BatchLayout& layout, std::size_t multiplications) noexcept {
  constexpr std::size_t kRows = 4;  // fewer per thread waste most of each product
  return std::min({kernel::threads_here(), multiplications / kernel::kWorthAThread + 1,
                   std::max<std::size_t>(layout.batch / kRows, 1)});
}

bool passes_at_once(Grid grid, const bptt::BatchLayout& layout,
                    std::span<const std::size_t> weights) noexcept {
  if (weights.size() < 2 || kernel::threads_here() < 2 || allocation_log != nullptr) return false;
  const std::size_t largest = *std::max_element(weights.begin(), weights.end());
  const std::size_t parts = row_parts(layout, layout.total * largest);
  if (grid == Grid::side_by_side) {
    // Measured: waking a thread takes as long as a million multiplications, and the exchange between the
    // caches of two cores as long as 20 rows.
    constexpr std::size_t kMultiplications = std::size_t{1} << 21, kRows = 32;
    return layout.total >= kRows && (layout.total - kRows) * largest >= kMultiplications && parts <= 2;
  }
  // Measured: the waiting between threads takes as long as 2^23 multiplications of all layers but one, and
  // from 16 sequences on sharing rows between two threads is as fast.
  constexpr std::size_t kMultiplications = std::size_t{1} << 23, kManySequences = 16;
  const std::size_t all = std::accumulate(weights.begin(), weights.end(), std::size_t{0});
  return layout.count() >= 2 * kChunks && (all - largest) * layout.total >= kMultiplications &&
         (parts < 2 || (parts == 2 && layout.batch < kManySequences));
}

std::size_t chunk_count(Grid grid, bool at_once) noexcept {
  return at_once && grid == Grid::stacked ? kChunks : 1;
}

void run_schedule(Grid grid, bool at_once, std::size_t passes, std::size_t chunks,
                  void (*run)(void*, std::size_t, std::size_t), void* context) {
  const auto run_pass = [&](std::size_t pass) {
    for (std::size_t stage = 0; stage < chunks + 2; ++stage) run(context, pass, stage);
  };
  if (!at_once) {
    for (std::size_t pass = 0; pass < passes; ++pass) run_pass(pass);
    return;
  }
  const BorrowedPool share;
  const auto on_two_threads = [&](const auto& part) {
    kernel::parallel(2, [&](std::size_t thread) {
      std::optional<BorrowedPool::Use> use;
      if (thread == 1) use.emplace(share);
      part(thread);
    });
  };
  if (grid == Grid::side_by_side) {
    on_two_threads([&](std::size_t thread) {
      for (std::size_t pass = thread; pass < passes; pass += 2) run_pass(pass);
    });
    return;
  }
  StackSchedule schedule(passes, chunks);
  on_two_threads([&](std::size_t thread) {
    while (const auto task = schedule.next(thread)) {
      try {
        run(context, task->pass, task->stage);
        schedule.done(task->pass);
      } catch (...) {
        schedule.fail(std::current_exception());
      }
    }
  });
  schedule.rethrow();
}

}  // namespace unroll::detail
