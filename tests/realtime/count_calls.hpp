// Counts the calls of malloc and its kin in the program that includes this, once. The library's own
// allocations go through operator new, which calls them, too.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>

extern "C" {
void* __libc_malloc(std::size_t);                 // NOLINT: glibc's names
void* __libc_calloc(std::size_t, std::size_t);    // NOLINT
void* __libc_realloc(void*, std::size_t);         // NOLINT
void* __libc_memalign(std::size_t, std::size_t);  // NOLINT
void __libc_free(void*);                          // NOLINT
}

namespace {
std::atomic<long> calls = 0;  // several threads may allocate
long failures = 0;
}  // namespace

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

// That calls are counted at all: of both kinds of new, which the library's memory comes from, and of free.
void expect_counting() {
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
}

}  // namespace
