#include "framework/kernels/parallel.hpp"

#include <pthread.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "framework/threads.hpp"

namespace unroll::kernel {
namespace {

// True on a thread that runs a part.
thread_local constinit bool inside = false;

// Threads that sleep until there is work. They start with the first call that needs them.
class Workers {
 public:
  ~Workers() {
    stop_ = true;
    begin_.fetch_add(1);
    begin_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  // Returns whether there are threads for this many parts; false if the system gives no more.
  bool have(std::size_t parts) noexcept try {
    while (threads_.size() + 1 < parts) {
      threads_.emplace_back([this, part = threads_.size() + 1, seen = begin_.load()]() mutable {
        inside = true;
        for (;;) {
          begin_.wait(seen);
          seen = begin_.load();
          if (stop_) return;
          if (part < parts_) run_part(part);
          if (left_.fetch_sub(1) == 1) left_.notify_one();
        }
      });
    }
    return true;
  } catch (const std::exception&) {
    return false;
  }

  void run(std::size_t parts, void (*work)(void*, std::size_t), void* context) {
    work_ = work, context_ = context, parts_ = parts;
    left_ = threads_.size();
    begin_.fetch_add(1);
    begin_.notify_all();
    inside = true;
    run_part(0);
    inside = false;
    for (std::size_t left = left_.load(); left != 0; left = left_.load()) left_.wait(left);
    if (thrown_ != nullptr) [[unlikely]]
      std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

  // Held by the thread whose parts run; false if another holds it.
  class Claim {
   public:
    explicit Claim(Workers& workers) noexcept
        : workers_(workers), held_(!workers.busy_.test_and_set(std::memory_order_acquire)) {}
    ~Claim() {
      if (held_) workers_.busy_.clear(std::memory_order_release);
    }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    explicit operator bool() const noexcept { return held_; }

   private:
    Workers& workers_;
    bool held_;
  };

 private:
  void run_part(std::size_t part) noexcept try { work_(context_, part); } catch (...) {
    const std::scoped_lock lock(throwing_);
    if (thrown_ == nullptr) thrown_ = std::current_exception();
  }

  std::atomic_flag busy_;
  std::vector<std::thread> threads_;
  std::atomic<std::size_t> begin_{0}, left_{0};
  std::atomic<bool> stop_{false};
  void (*work_)(void*, std::size_t) = nullptr;
  void* context_ = nullptr;
  std::size_t parts_ = 0;
  std::mutex throwing_;
  std::exception_ptr thrown_;  // by the first part that has thrown
};

// The process's workers. A child of fork() has none of its parent's threads: it starts new ones and leaves
// the inherited objects alone, because nobody can join them.
class AllWorkers {
 public:
  AllWorkers() {
    pthread_atfork(nullptr, nullptr, [] { left_behind = current.exchange(nullptr); });
  }
  ~AllWorkers() { delete current.exchange(nullptr); }
  Workers& get() {
    Workers* workers = current.load(std::memory_order_acquire);
    if (workers != nullptr) return *workers;
    auto* made = new Workers;
    if (current.compare_exchange_strong(workers, made, std::memory_order_acq_rel)) return *made;
    delete made;
    return *workers;
  }

 private:
  static inline constinit std::atomic<Workers*> current = nullptr;
  static inline constinit Workers* left_behind = nullptr;  // the parent's, for leak checkers
};

}  // namespace

bool parallel_at_once(std::size_t parts, void (*run)(void*, std::size_t), void* context) {
  static AllWorkers all;
  if (inside) return false;
  Workers& workers = all.get();
  const Workers::Claim claim(workers);
  if (!claim || !workers.have(parts)) return false;
  workers.run(parts, run, context);
  return true;
}

void parallel(std::size_t parts, void (*run)(void*, std::size_t), void* context) {
  if (parts > 1 && parallel_at_once(parts, run, context)) return;
  for (std::size_t part = 0; part < parts; ++part) run(context, part);
}

std::size_t threads_here() noexcept { return inside ? 1 : static_cast<std::size_t>(num_threads()); }

}  // namespace unroll::kernel
