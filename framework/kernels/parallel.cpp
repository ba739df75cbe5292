#include "framework/kernels/parallel.hpp"

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace unroll::kernel {
namespace {

// Threads that sleep until there is work. They begin with the first call that wants them.
class Workers {
 public:
  ~Workers() {
    stop_ = true;
    begin_.fetch_add(1);
    begin_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  void run(std::size_t parts, void (*work)(void*, std::size_t), void* context) {
    while (threads_.size() + 1 < parts) {
      threads_.emplace_back([this, part = threads_.size() + 1, seen = begin_.load()]() mutable {
        for (;;) {
          begin_.wait(seen);
          seen = begin_.load();
          if (stop_) return;
          if (part < parts_) work_(context_, part);
          if (left_.fetch_sub(1) == 1) left_.notify_one();
        }
      });
    }
    work_ = work, context_ = context, parts_ = parts;
    left_ = threads_.size();
    begin_.fetch_add(1);
    begin_.notify_all();
    work(context, 0);
    for (std::size_t left = left_.load(); left != 0; left = left_.load()) left_.wait(left);
  }

  std::mutex busy;

 private:
  std::vector<std::thread> threads_;
  std::atomic<std::size_t> begin_{0}, left_{0};
  std::atomic<bool> stop_{false};
  void (*work_)(void*, std::size_t) = nullptr;
  void* context_ = nullptr;
  std::size_t parts_ = 0;
};

}  // namespace

void parallel(std::size_t parts, void (*run)(void*, std::size_t), void* context) {
  static Workers workers;
  if (parts > 1) {
    if (std::unique_lock owner(workers.busy, std::try_to_lock); owner) {
      workers.run(parts, run, context);
      return;
    }
  }
  for (std::size_t part = 0; part < parts; ++part) run(context, part);
}

}  // namespace unroll::kernel
