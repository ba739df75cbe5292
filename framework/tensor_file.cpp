#include "framework/tensor_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"

namespace unroll {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 16;  // bytes converted at a time; a multiple of every size

void swap_bytes(std::vector<unsigned char>& bytes, std::size_t used, std::size_t size) {
  for (std::size_t at = 0; at < used; at += size) {
    std::reverse(bytes.begin() + static_cast<Index>(at), bytes.begin() + static_cast<Index>(at + size));
  }
}

// Copies elements from file order, first axis fastest, to row-major order.
template <class S>
Tensor<S> row_major(const Tensor<S>& columns) {
  const Shape& shape = columns.shape();
  Tensor<S> rows(shape);
  Shape stride(shape.size(), 1), at(shape.size(), 0);
  for (std::size_t axis = 1; axis < shape.size(); ++axis) stride[axis] = stride[axis - 1] * shape[axis - 1];
  std::size_t from = 0;
  for (std::size_t to = 0; to < rows.size(); ++to) {
    rows.data()[to] = columns.data()[from];
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      from += stride[axis];
      if (++at[axis] < shape[axis]) break;
      from -= stride[axis] * shape[axis];
      at[axis] = 0;
    }
  }
  return rows;
}

}  // namespace

std::size_t TensorFile::position(const std::string& name) const {
  const auto found = positions_.find(name);
  if (found == positions_.end())
    fail(fmt::format("expected a tensor {}, got none of that name", quoted(name)));
  return found->second;
}

TensorInfo TensorFile::info(const std::string& name) const { return tensors_[position(name)]; }

void TensorFile::add(TensorInfo info) {
  if (!positions_.emplace(info.name, tensors_.size()).second) {
    fail(fmt::format("expected distinct names, got {} twice", quoted(info.name)));
  }
  tensors_.push_back(std::move(info));
}

template <class S>
Tensor<S> TensorFile::read(const std::string& name, Rounding rounding) {
  const std::size_t index = position(name);
  const TensorInfo& info = tensors_[index];
  if (!info.unreadable.empty() || !readable_as<S>(info.dtype, rounding)) {
    fail(fmt::format("tensor {}: expected {}, got {}{}", quoted(name), to_string(dtype_of<S>()),
                     detail::type_of(info),
                     info.unreadable.empty() && readable_as<S>(info.dtype, Rounding::nearest)
                         ? " (Rounding::nearest rounds)"
                         : ""));
  }
  const auto bytes = detail::element_bytes(dtype_of<S>(), info.shape);
  if (max_bytes_ && (!bytes || *bytes > *max_bytes_)) {
    fail(fmt::format("tensor {}: expected at most {} bytes in memory, got {} of {} (.max_bytes allows more)",
                     quoted(name), *max_bytes_, to_string(info.shape), to_string(dtype_of<S>())));
  }
  Tensor<S> tensor = allocate<S>(info);
  begin(index);
  if (info.dtype == dtype_of<S>() && !info.big_endian && !std::is_same_v<S, bool>) {
    next(tensor.data(), tensor.size() * sizeof(S));
  } else {
    const std::size_t size = size_of(info.dtype);
    std::vector<unsigned char> block(std::min(kBlock, tensor.size() * size));
    for (std::size_t done = 0; done < tensor.size();) {
      const std::size_t count = std::min(kBlock / size, tensor.size() - done);
      next(block.data(), count * size);
      if (info.big_endian) swap_bytes(block, count * size, size);
      detail::decode(info.dtype, block.data(), count, tensor.data() + done);
      done += count;
    }
  }
  end();
  if (info.column_major && info.shape.size() > 1) return row_major(tensor);
  return tensor;
}

template <class S>
Tensor<S> TensorFile::allocate(const TensorInfo& info) const {
  try {
    return Tensor<S>(info.shape);
  } catch (const MemoryError&) {
    throw MemoryError(fmt::format("[{}] {}: tensor {}: not enough memory for {} of {}", function_,
                                  escaped(path_), quoted(info.name), to_string(info.shape),
                                  to_string(dtype_of<S>())));
  }
}

void TensorFile::fail(const std::string& what) const {
  throw FileError(fmt::format("[{}] {}: {}", function_, escaped(path_), what));
}

std::string detail::type_of(const TensorInfo& info) {
  return info.unreadable.empty() ? to_string(info.dtype) : info.unreadable;
}

std::optional<std::size_t> detail::element_bytes(Dtype dtype, const Shape& shape) noexcept {
  // Zeros last: a shape that is too large stays too large next to a zero, as NumPy and the strides require.
  constexpr std::size_t largest = std::numeric_limits<std::ptrdiff_t>::max();
  std::size_t bytes = size_of(dtype);
  bool zero = false;
  for (const std::size_t n : shape) {
    zero |= n == 0;
    if (n == 0) continue;
    if (bytes > largest / n) return std::nullopt;
    bytes *= n;
  }
  return zero ? 0 : bytes;
}

template Tensor<bool> TensorFile::read(const std::string&, Rounding);
template Tensor<float> TensorFile::read(const std::string&, Rounding);
template Tensor<double> TensorFile::read(const std::string&, Rounding);
template Tensor<std::int8_t> TensorFile::read(const std::string&, Rounding);
template Tensor<std::int16_t> TensorFile::read(const std::string&, Rounding);
template Tensor<std::int32_t> TensorFile::read(const std::string&, Rounding);
template Tensor<std::int64_t> TensorFile::read(const std::string&, Rounding);
template Tensor<std::uint8_t> TensorFile::read(const std::string&, Rounding);
template Tensor<std::uint16_t> TensorFile::read(const std::string&, Rounding);
template Tensor<std::uint32_t> TensorFile::read(const std::string&, Rounding);
template Tensor<std::uint64_t> TensorFile::read(const std::string&, Rounding);

}  // namespace unroll
