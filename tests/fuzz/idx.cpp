// IDX files: the bytes as they are, and gzipped.
#include "training/data/idx.hpp"

#include <zlib.h>

#include <cstdint>
#include <cstring>

#include "tests/fuzz/fuzz.hpp"

namespace unroll::fuzz {
namespace {

std::string gzipped(const std::string& path, std::string_view bytes) {
  const gzFile out = ::gzopen(path.c_str(), "wb1");
  require(out != nullptr, "a gzipped file is written");
  ::gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  ::gzclose(out);
  return path;
}

template <class S>
void check(const std::string& path, const std::string& packed, bool packed_already) {
  const auto plain = attempt([&] { return read_idx<S>(path); });
  const auto unpacked = attempt([&] { return read_idx<S>(packed); });
  if (plain) {
    std::size_t elements = 1;
    for (const std::size_t size : plain->shape()) elements *= size;
    require(plain->size() == elements, "a tensor has its shape");
  }
  if (packed_already) return;  // the copy is packed twice
  require(plain.has_value() == unpacked.has_value(), "a gzipped file is read where the plain one is");
  if (!plain) return;
  require(plain->shape() == unpacked->shape() &&
              (plain->size() == 0 ||
               std::memcmp(plain->data(), unpacked->data(), plain->size() * sizeof(S)) == 0),
          "a gzipped file gives what the plain one gives");
}

}  // namespace

void one_input(std::string_view input) {
  const std::string path = file("in.idx", input), packed = gzipped(file("in.idx.gz"), input);
  const bool packed_already = input.starts_with("\x1f\x8b");
  check<float>(path, packed, packed_already);
  check<double>(path, packed, packed_already);
  check<std::int64_t>(path, packed, packed_already);
}

}  // namespace unroll::fuzz
