// What a trainer reads: an epoch's batches by number.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace unroll {

// Batches in an order that is a function of (seed, epoch) alone, so that a resumed run sees the same ones:
//
//   struct Source {
//     std::size_t size() const;                // batches in an epoch
//     void start_epoch(std::int64_t epoch);    // from 1
//     auto batch(std::size_t i) const;         // the i-th of this epoch, from 0; batch.size() = samples in
//     it
//   };                                         // (the weight of its mean loss)
template <class Source>
concept BatchSource = requires(Source& source, const Source& constant, std::int64_t epoch, std::size_t i) {
  { constant.size() } -> std::convertible_to<std::size_t>;
  source.start_epoch(epoch);
  constant.batch(i);
};

}  // namespace unroll
