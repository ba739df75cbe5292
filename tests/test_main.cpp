#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

// Under AddressSanitizer a request for impossible memory ends the process. With these it throws, as it does
// without: the sanitizer watches over malloc just as well.
#ifdef __SANITIZE_ADDRESS__
#include <cstdlib>
#include <new>

extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes); }
void* operator new(std::size_t bytes) {
  if (void* const block = std::malloc(bytes)) return block;
  throw std::bad_alloc();
}
void* operator new[](std::size_t bytes) { return ::operator new(bytes); }
// Not inlined: GCC would take free() of what operator new returned for a mistake.
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { ::operator delete(block); }
void operator delete(void* block, std::size_t) noexcept { ::operator delete(block); }
void operator delete[](void* block, std::size_t) noexcept { ::operator delete(block); }
#endif
