// What a trainer reads: the batches of an epoch, by number.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace unroll {

// A type with
//   std::size_t size() const;               batches in an epoch
//   void start_epoch(std::int64_t epoch);   from 1; the order of this epoch is a function of (seed, epoch)
//                                           alone, so that a resumed run sees the same batches
//   auto batch(std::size_t i) const;        the i-th batch of this epoch; its size(), if it has one, is the
//                                           weight of its mean loss: samples, or tokens for a stream
template <class Source>
concept BatchSource = requires(Source& source, const Source& current, std::int64_t epoch, std::size_t i) {
  { current.size() } -> std::convertible_to<std::size_t>;
  source.start_epoch(epoch);
  current.batch(i);
};

}  // namespace unroll
