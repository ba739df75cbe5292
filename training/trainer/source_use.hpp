// A batch source in a trainer's hands.
#pragma once

#include <type_traits>

#include "training/data/batch_source.hpp"

namespace unroll::detail {

// The source itself; of a const one, in which no epoch can begin, a copy.
template <class Source>
class SourceUse {
  using Plain = std::remove_const_t<Source>;
  static constexpr bool kCopied = !BatchSource<Source> && BatchSource<Plain>;
  static_assert(BatchSource<Plain>,
                "a source of batches needs size() const, start_epoch(epoch) and batch(i) const: see "
                "training/data/batch_source.hpp");
  static_assert(!kCopied || std::is_copy_constructible_v<Plain>,
                "a source that cannot be copied must be non-const, as start_epoch() changes it");

 public:
  explicit SourceUse(Source& source) : source_(source) {}
  auto& get() noexcept { return source_; }

 private:
  std::conditional_t<kCopied, Plain, Source&> source_;
};

}  // namespace unroll::detail
