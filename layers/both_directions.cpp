#include "layers/both_directions.hpp"

#include <exception>

#include "framework/block_log.hpp"
#include "framework/kernels/parallel.hpp"
#include "framework/pool_share.hpp"
#include "layers/bptt/products.hpp"

namespace unroll::detail {

bool directions_at_once(const bptt::Steps& steps, std::size_t weights) noexcept {
  // Measured: waking a thread takes as long as a million multiplications, and what the caches of one
  // core have to fetch from those of the other as long as 20 rows.
  constexpr std::size_t kMultiplications = std::size_t{1} << 21, kRows = 32;
  if (kernel::threads_here() < 2 || block_log != nullptr || steps.total < kRows) return false;
  return (steps.total - kRows) * weights >= kMultiplications &&
         bptt::loop_parts(steps, steps.total * weights) <= 2;
}

void run_directions(bool at_once, void (*run)(void*, std::size_t), void* context) {
  if (!at_once) {
    run(context, 0);
    run(context, 1);
    return;
  }
  const PoolShare share;
  std::array<std::exception_ptr, 2> thrown;
  kernel::parallel(2, [&](std::size_t direction) {
    std::optional<PoolShare::Use> use;
    if (direction == 1) use.emplace(share);
    try {
      run(context, direction);
    } catch (...) {
      thrown[direction] = std::current_exception();
    }
  });
  for (const std::exception_ptr& exception : thrown) {
    if (exception != nullptr) std::rethrow_exception(exception);
  }
}

}  // namespace unroll::detail
