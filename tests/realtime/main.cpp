// Counts the calls of malloc and its kin while streams run: there must be none. The library's own allocations
// go through operator new, which calls them, too.
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "layers/layers.hpp"

extern "C" {
void* __libc_malloc(std::size_t);                 // NOLINT: glibc's names
void* __libc_calloc(std::size_t, std::size_t);    // NOLINT
void* __libc_realloc(void*, std::size_t);         // NOLINT
void* __libc_memalign(std::size_t, std::size_t);  // NOLINT
void __libc_free(void*);                          // NOLINT
}

namespace {
long calls = 0;
}

extern "C" {
void* malloc(std::size_t size) {
  ++calls;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++calls;
  return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
  ++calls;
  return __libc_realloc(block, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  ++calls;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++calls;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  ++calls;
  *block = __libc_memalign(alignment, size);
  return *block == nullptr ? ENOMEM : 0;
}
void free(void* block) {
  ++calls;
  __libc_free(block);
}
}

namespace {

using namespace unroll;

long failures = 0;

void expect(bool ok, const char* what, long counted) {
  std::printf("%-60s %ld calls%s\n", what, counted, ok ? "" : "  FAILED");
  if (!ok) ++failures;
}

template <class F>
long count_calls(F&& f) {
  const long before = calls;
  f();
  return calls - before;
}

template <class S>
void expect_quiet(const char* what, Stream<S> stream) {
  const Tensor<S> x = full<S>({stream.batch() * stream.input_size()}, S(0.25));
  S sum = 0;
  const long counted = count_calls([&] {
    for (int t = 0; t < 1000; ++t) {
      for (const S y : stream.step({x.data(), x.size()})) sum += y;
      if (t % 100 == 99) stream.reset();
      stream.step({x.data(), x.size() - 1});
    }
  });
  expect(counted == 0 && sum != S(0), what, counted);
}

template <class S>
void expect_quiet_cells(Index batch) {
  Rng rng(1);
  const StreamOptions options{.batch = batch};
  const RecurrentOptions two{.layers = 2};
  const Linear<S> head(17, 3, rng);
  expect_quiet("Rnn", freeze(Rnn<S>({.input = 3, .hidden = 17}, rng), options));
  expect_quiet("Rnn, relu",
               freeze(Rnn<S>({.input = 3, .hidden = 17, .activation = Activation::relu()}, rng), options));
  expect_quiet("Lstm", freeze(Lstm<S>({.input = 16, .hidden = 64}, rng), options));
  expect_quiet("Lstm, 2 layers, projection",
               freeze(Lstm<S>({.input = 3, .hidden = 300, .projection = 5}, two, rng), options));
  expect_quiet("Gru, 2 layers, head", freeze(Gru<S>({.input = 3, .hidden = 17}, two, rng), head, options));
  expect_quiet("Gru, reset before",
               freeze(Gru<S>({.input = 3, .hidden = 17, .reset = GruReset::before}, rng), options));
}

}  // namespace

int main() {
  // That calls are counted at all: of both kinds of new, which the library's memory comes from, and of free.
  void* volatile block = nullptr;  // so that the compiler cannot leave the pair out
  long counted = count_calls([&] {
    block = ::operator new(1000);
    ::operator delete(block);
  });
  expect(counted == 2, "operator new and delete, to see that they are counted", counted);
  counted = count_calls([&] {
    block = ::operator new(1000, std::align_val_t(64));
    ::operator delete(block, std::align_val_t(64));
  });
  expect(counted == 2, "the same, aligned", counted);
  for (const Index batch : {1, 3}) {
    expect_quiet_cells<float>(batch);
    expect_quiet_cells<double>(batch);
  }
  return failures == 0 ? 0 : 1;
}
