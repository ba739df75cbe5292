#include "framework/program/machine.hpp"

#include <algorithm>

#include "framework/kernels/axis_kernels.hpp"
#include "framework/kernels/blocks.hpp"
#include "framework/kernels/gemm.hpp"
#include "framework/kernels/reduce_axes.hpp"

namespace unroll::detail {

namespace {
// Bytes of cache to be used: by calls that follow each other on some rows, and by those of all rows. With
// fewer the calls' own cost shows.
constexpr std::size_t kCalls = 96 << 10, kPhase = 256 << 10;
}  // namespace

template <class S>
Machine<S>::Machine(const Program<S>& program, const VarList<S>& inputs,
                    std::shared_ptr<PackedWeights<S>> packed)
    : program_(program),
      rows_(program.values.size()),
      scratch_(program.values.size()),
      packed_(std::move(packed)) {
  const auto numbers = [&](std::size_t i) { return const_cast<S*>(inputs[i].data()); };  // only read
  place(0, numbers(0), true);
  for (std::size_t i = 0; i < program.externals.size(); ++i)
    place(program.externals[i], numbers(1 + program.states + i), false);
}

template <class S>
const kernel::Packed<S>* Machine<S>::packed(const Instruction<S>& op) {
  const std::pair key{op.inputs[1], op.transpose_b};
  if (const auto found = packed_->find(key); found != packed_->end()) return &found->second;
  const Shape& w = value(op.inputs[1]).shape;
  const S* weight = rows(op.inputs[1]).numbers;
  return &packed_
              ->emplace(key, op.transpose_b ? kernel::Packed<S>::transposed(weight, w[0], w[1])
                                            : kernel::Packed<S>::plain(weight, w[0], w[1]))
              .first->second;
}

template <class S>
std::size_t Machine<S>::block_of(std::initializer_list<const std::vector<Instruction<S>>*> lists) const {
  std::size_t width = 1;
  for (const auto* list : lists) {
    for (const auto& op : *list) width += value(op.output).width;
  }
  constexpr std::size_t kLeast = 32;  // rows of a product
  return std::max(kLeast, kPhase / (width * sizeof(S)));
}

template <class S>
void Machine<S>::place_result(const Instruction<S>& op, std::vector<Buffer<S>>& kept, std::size_t total,
                              std::size_t count) {
  if (rows(op.output).numbers != nullptr) return;
  const ProgramValue& out = value(op.output);
  // A single row's columns are where they are.
  if (op.kind == Kind::cut && count == 1 && !out.over_time) {
    rows_[static_cast<std::size_t>(op.output)] = rows(op.inputs[0]).columns(op.first, out.width);
    return;
  }
  Buffer<S>& buffer = (out.over_time ? kept : scratch_)[static_cast<std::size_t>(op.output)];
  buffer = Buffer<S>((out.over_time ? total : count) * out.width);
  place(op.output, buffer.data(), out.over_time);
}

// For a single row at a time: the parts of a join are made where it wants them.
template <class S>
void Machine<S>::place_parts(const std::vector<Instruction<S>>& list, std::vector<Buffer<S>>& kept,
                             std::size_t total) {
  std::vector<bool> made_here(program_.values.size(), false);
  for (const auto& op : list) {
    if (op.kind == Kind::join) {
      place_result(op, kept, total, 1);
      std::size_t column = 0;
      for (const int part : op.inputs) {
        const std::size_t width = value(part).width;
        Rows<S>& place = rows_[static_cast<std::size_t>(part)];
        if (made_here[static_cast<std::size_t>(part)] && !value(part).over_time && place.numbers == nullptr)
          place = rows(op.output).columns(column, width);
        column += width;
      }
    }
    made_here[static_cast<std::size_t>(op.output)] = op.kind != Kind::cut && op.kind != Kind::join;
  }
}

template <class S>
Calls<S> Machine<S>::prepare(const std::vector<Instruction<S>>& list, std::vector<Buffer<S>>& kept,
                             std::size_t total, std::size_t count, bool alone) {
  Calls<S> result;
  if (alone) result.alone_ = &kernel::packing<S>();
  std::size_t width = 0;  // of the current group
  const auto close_group = [&] {
    if (width > 0)
      result.groups_.push_back(
          {result.calls_.size(), std::max<std::size_t>(kCalls / (width * sizeof(S)), 1)});
    width = 0;
  };
  if (count == 1) place_parts(list, kept, total);
  for (const auto& op : list) {
    const ProgramValue& out = value(op.output);
    place_result(op, kept, total, count);
    typename Calls<S>::Call call{&op, rows(op.output), {}, {}};
    if (op.kind == Kind::cut && call.out.numbers == rows(op.inputs[0]).numbers + op.first) continue;
    if (!op.inputs.empty()) call.a = rows(op.inputs[0]);
    if (op.inputs.size() > 1) call.b = rows(op.inputs[1]);
    if (op.kind == Kind::product) close_group();
    width += out.width;
    if (op.kind == Kind::binary) {
      const auto step = [&](int in, std::size_t& row, std::size_t& column) {
        if (is_external(in)) {
          row = 0;
          column = element_count(value(in).shape) == 1 ? 0 : 1;
        } else {
          row = value(in).width;
          column = row == out.width ? 1 : 0;
        }
      };
      auto& [a_row, a_step, b_row, b_step] = call.steps;
      step(op.inputs[0], a_row, a_step);
      step(op.inputs[1], b_row, b_step);
      call.paired = a_row == out.width && b_row == out.width;
    } else if (op.kind == Kind::join) {
      std::size_t column = 0;
      for (const int part : op.inputs) {
        call.parts.push_back(rows(part));
        if (call.parts.back().numbers == call.out.numbers + column) call.parts.back().numbers = nullptr;
        column += call.parts.back().width;
      }
      if (std::all_of(call.parts.begin(), call.parts.end(),
                      [](const Rows<S>& part) { return part.numbers == nullptr; }))
        continue;
    } else if (op.kind == Kind::product) {
      if (alone || total >= kernel::kRowsWorthPacking) call.packed = packed(op);
      if (op.adds) call.addend = rows(op.inputs.back());
      if (op.inputs.size() > (op.adds ? 3 : 2)) call.bias = rows(op.inputs[2]).numbers;
    }
    if (op.kind == Kind::standardize) {
      result.unread_.emplace_back(count * (op.first == 0 ? 1 : call.a.width));
      call.unread = result.unread_.back().data();
    }
    result.calls_.push_back(std::move(call));
    if (op.kind == Kind::product) {
      result.groups_.push_back({result.calls_.size(), 0});
      width = 0;
    }
  }
  close_group();
  return result;
}

template <class S>
void Calls<S>::run(std::size_t first, std::size_t count) const {
  std::size_t i = 0;
  for (const auto& [end, block] : groups_) {
    if (block == 0) {
      multiply(calls_[i], first, count);
    } else {
      for (std::size_t skip = 0; skip < count; skip += block) {
        for (std::size_t k = i; k < end; ++k) run(calls_[k], first, skip, std::min(block, count - skip));
      }
    }
    i = end;
  }
}

template <class S>
void Calls<S>::run(const Call& call, std::size_t first, std::size_t skip, std::size_t count) const {
  const Instruction<S>& op = *call.op;
  const S* in = call.a.at(first, skip);
  S* out = call.out.at(first, skip);
  const std::size_t width = call.out.width, in_width = call.a.width;
  switch (op.kind) {
    case Kind::unary:
      if (op.unary != nullptr) return op.unary(in, out, count * width);
      if (op.unary1 != nullptr) return op.unary1(in, out, count * width, op.constant[0]);
      return op.unary2(in, out, count * width, op.constant[0], op.constant[1]);
    case Kind::binary: {
      const S* other = call.b.at(first, skip);
      if (call.paired) return op.binary.same(in, other, out, count * width);
      const auto& [a_row, a_step, b_row, b_step] = call.steps;
      return op.binary.plane({in, other, a_row, a_step, b_row, b_step, count, width}, out);
    }
    case Kind::cut:
      return kernel::copy_blocks(in + op.first, in_width, out, width, count, width);
    case Kind::pad:
      std::fill_n(out, count * width, S(0));
      return kernel::copy_blocks(in, in_width, out + op.first, width, count, in_width);
    case Kind::join:
      for (const Rows<S>& part : call.parts) {
        if (part.numbers != nullptr)
          kernel::copy_blocks<S>(part.at(first, skip), part.width, out, width, count, part.width);
        out += part.width;
      }
      return;
    case Kind::zeros:
      std::fill_n(out, count * width, S(0));
      return;
    case Kind::reduce:
      return kernel::reduce_axis<S>(op.reduce, in, count, in_width, 1, out);
    case Kind::standardize: {
      S* z = op.first == 0 ? out : call.unread;
      S* r = op.first == 0 ? call.unread : out;
      return kernel::axis_kernels<S>().standardize(in, count, in_width, op.constant[0], z, r);
    }
    case Kind::softmax:
      return op.softmax(in, out, count, width, 1, nullptr);
    case Kind::fill:
      for (std::size_t r = 0; r < count; ++r) std::fill_n(out + r * width, width, in[r]);
      return;
    case Kind::product:
    case Kind::reshape:
      return;  // in a group of its own; only of sums
  }
}

template <class S>
void Calls<S>::multiply(const Call& call, std::size_t first, std::size_t count) const {
  const Instruction<S>& op = *call.op;
  const S* in = call.a.at(first, 0);
  S* out = call.out.at(first, 0);
  const std::size_t n = call.out.width, k = call.a.width;
  const bool adds = call.bias != nullptr || op.adds;
  if (op.adds && call.bias != nullptr) {
    kernel::pointwise<S>().add.plane({call.addend.at(first, 0), call.bias, n, 1, 0, 1, count, n}, out);
  } else if (op.adds) {
    std::copy_n(call.addend.at(first, 0), count * n, out);
  } else if (adds) {
    for (std::size_t r = 0; r < count; ++r) std::copy_n(call.bias, n, out + r * n);
  }
  if (alone_ != nullptr) return alone_->multiply(count, n, k, in, k, 1, call.packed->panels(), adds, out, n);
  if (call.packed != nullptr)
    return kernel::multiply_packed(count, n, k, in, k, 1, *call.packed, adds, out, n);
  kernel::gemm(false, op.transpose_b, count, n, k, S(1), in, k, call.b.numbers, op.transpose_b ? k : n,
               S(adds ? 1 : 0), out, n);
}

template class Calls<float>;
template class Calls<double>;
template class Machine<float>;
template class Machine<double>;

}  // namespace unroll::detail
