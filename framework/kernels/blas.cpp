#include "framework/kernels/blas.hpp"

#include <cblas.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <mutex>
#include <type_traits>
#if UNROLL_ONEDNN
#include <dnnl.h>
#include <omp.h>
#endif

#include "framework/errors.hpp"

// Whether OpenBLAS has its own threads, which it joins at exit and before a fork. It exports this if it was
// built with threads, but no header declares it.
extern "C" int blas_server_avail __attribute__((weak));

namespace unroll::kernel {
namespace {

// OpenBLAS would start one thread per core. That only slows small recurrent products down, and results should
// not depend on the machine's number of cores. Set once, before the first product; threads are Unroll's.
[[maybe_unused]] const bool kSingleThreaded = [] {
  openblas_set_num_threads(1);
  return true;
}();

constexpr std::size_t kBuffer = std::size_t{1} << 27;  // OpenBLAS's BUFFER_SIZE

std::atomic<int> threads_inside{0};
std::atomic<int> buffers{0};  // that OpenBLAS has, or has memory for

// Whether there is memory for this many bytes of buffers, which stay free for OpenBLAS to take.
bool room_for_buffer(std::size_t bytes) {
  void* const room = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return false;
  ::munmap(room, bytes);
  return true;
}

// When it is loaded, OpenBLAS starts a thread for every other core, before a program can ask for fewer. Each
// thread retries until it gets a buffer; without memory for one, joining the threads waits for ever.
void leave_waiting_threads() noexcept {
  if (&blas_server_avail == nullptr) return;
  const auto threads = static_cast<std::size_t>(openblas_get_num_procs() - 1);
  if (threads > 0 && !room_for_buffer(kBuffer * threads)) blas_server_avail = 0;
}

[[maybe_unused]] const struct AtEnd {
  AtEnd() { ::pthread_atfork(leave_waiting_threads, nullptr, nullptr); }
  ~AtEnd() { leave_waiting_threads(); }  // before OpenBLAS's own end
} kAtEnd;

void want_buffers(int threads) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (threads <= buffers) return;
  // For all threads inside: none of them may have taken its buffer yet.
  const std::size_t bytes = kBuffer * static_cast<std::size_t>(threads);
  if (!room_for_buffer(bytes)) {
    throw MemoryError(
        fmt::format("[blas] cannot allocate {} bytes for OpenBLAS (out of memory, or over a limit)", bytes));
  }
  buffers = threads;
}

template <class Int>
Int as(std::size_t v) {
  return static_cast<Int>(v);
}

#if UNROLL_ONEDNN
// The number of multiplications up to which oneDNN 2.6 was measured to be as fast as OpenBLAS or faster
// (docs/performance.md).
constexpr std::size_t kLargestForOneDnn = std::size_t{1} << 30;

// Sets OpenMP's threads for this thread's calls to one, as above.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

void run_onednn(const BlasProduct<float>& p) {
  const OneThread one;
  const auto status =
      dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', as<dnnl_dim_t>(p.m),
                 as<dnnl_dim_t>(p.n), as<dnnl_dim_t>(p.k), p.alpha, p.a, as<dnnl_dim_t>(p.lda), p.b,
                 as<dnnl_dim_t>(p.ldb), p.beta, p.c, as<dnnl_dim_t>(p.ldc));
  if (status != dnnl_success) throw Error("[blas] oneDNN's product failed (out of memory?)");
}
#endif

}  // namespace

BlasUse::BlasUse() {
  const int threads = threads_inside.fetch_add(1, std::memory_order_relaxed) + 1;
  if (threads <= buffers.load(std::memory_order_relaxed)) [[likely]]
    return;
  try {
    want_buffers(threads);
  } catch (...) {
    threads_inside.fetch_sub(1, std::memory_order_relaxed);
    throw;
  }
}

BlasUse::~BlasUse() { threads_inside.fetch_sub(1, std::memory_order_relaxed); }

template <class S>
void run(const BlasProduct<S>& p) {
  const auto ta = p.transpose_a ? CblasTrans : CblasNoTrans;
  const auto tb = p.transpose_b ? CblasTrans : CblasNoTrans;
  const blasint m = as<blasint>(p.m), n = as<blasint>(p.n), k = as<blasint>(p.k), lda = as<blasint>(p.lda),
                ldb = as<blasint>(p.ldb), ldc = as<blasint>(p.ldc);
  if constexpr (std::is_same_v<S, float>) {
#if UNROLL_ONEDNN
    if (p.m * p.n * p.k <= kLargestForOneDnn) return run_onednn(p);
#endif
    const BlasUse use;
    cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, p.alpha, p.a, lda, p.b, ldb, p.beta, p.c, ldc);
  } else {
    const BlasUse use;
    cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, p.alpha, p.a, lda, p.b, ldb, p.beta, p.c, ldc);
  }
}
template void run(const BlasProduct<float>&);
template void run(const BlasProduct<double>&);

}  // namespace unroll::kernel
