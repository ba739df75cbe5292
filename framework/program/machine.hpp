// Machine: the memory of a program's values, and lists of instructions as calls of kernels on it. Internal.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "framework/kernels/packed.hpp"
#include "framework/multi_output.hpp"
#include "framework/program/program.hpp"

namespace unroll::detail {

// Where the rows of a value are: of all steps, or of the current one. The rows of an external value have no
// width: every step reads the same numbers.
template <class S>
struct Rows {
  S* numbers = nullptr;
  std::size_t width = 0;
  bool over_time = false;
  std::size_t stride = width;  // another one: columns of wider rows

  // The row `skip` of a step whose first row is `first` among those of all steps.
  S* at(std::size_t first, std::size_t skip) const noexcept {
    return numbers + (over_time ? first + skip : skip) * stride;
  }
  Rows columns(std::size_t begin, std::size_t count) const noexcept {
    return {numbers + begin, count, over_time, stride};
  }
};

// A list of instructions, ready to run.
template <class S>
class Calls {
 public:
  // Runs them for `count` rows, of which the first is `first` among those of all steps.
  void run(std::size_t first, std::size_t count) const;

 private:
  template <class>
  friend class Machine;
  struct Call {
    const Instruction<S>* op;
    Rows<S> out, a, b;
    bool paired = false;                        // binary: elements pair up in order
    std::array<std::size_t, 4> steps{};         // otherwise a_row, a_step, b_row, b_step
    std::vector<Rows<S>> parts = {};            // of a join; those without numbers are in place already
    const kernel::Packed<S>* packed = nullptr;  // the weight of a product
    const S* bias = nullptr;
    Rows<S> addend = {};  // of a product
    S* unread = nullptr;  // standardize: what the kernel computes besides
  };
  void run(const Call& call, std::size_t first, std::size_t skip, std::size_t count) const;
  void multiply(const Call& call, std::size_t first, std::size_t count) const;

  // Calls up to `end`; a product alone, others a few rows at a time, which stay in the cache.
  struct Group {
    std::size_t end, block;
  };
  std::vector<Call> calls_;
  std::vector<Group> groups_;
  std::vector<Buffer<S>> unread_;
  const kernel::Packing<S>* alone_ = nullptr;
};

// Weights by number of the value and whether they are transposed.
template <class S>
using PackedWeights = std::map<std::pair<int, bool>, kernel::Packed<S>>;

template <class S>
class Machine {
 public:
  // inputs: as those of a ProgramRun. Machines that run alone share their packed weights.
  Machine(const Program<S>& program, const VarList<S>& inputs,
          std::shared_ptr<PackedWeights<S>> packed = std::make_shared<PackedWeights<S>>());

  void place(int number, S* numbers, bool over_time) {
    rows_[static_cast<std::size_t>(number)] = {numbers, value(number).width, over_time};
  }
  const Rows<S>& rows(int number) const { return rows_[static_cast<std::size_t>(number)]; }
  // Gives every result of the list its memory, unless it has a place: among `kept`, or for at most `count`
  // rows. Packs the weights that the list multiplies by. alone: runs without a BLAS and other threads.
  Calls<S> prepare(const std::vector<Instruction<S>>& list, std::vector<Buffer<S>>& kept, std::size_t total,
                   std::size_t count, bool alone = false);
  // Returns how many rows of the lists' results stay in the cache.
  std::size_t block_of(std::initializer_list<const std::vector<Instruction<S>>*> lists) const;

 private:
  const ProgramValue& value(int number) const { return program_.values[static_cast<std::size_t>(number)]; }
  bool is_external(int number) const { return value(number).role == ProgramValue::Role::external; }
  const kernel::Packed<S>* packed(const Instruction<S>& op);
  void place_result(const Instruction<S>& op, std::vector<Buffer<S>>& kept, std::size_t total,
                    std::size_t count);
  void place_parts(const std::vector<Instruction<S>>& list, std::vector<Buffer<S>>& kept, std::size_t total);

  const Program<S>& program_;
  std::vector<Rows<S>> rows_;       // by value
  std::vector<Buffer<S>> scratch_;  // by value
  std::shared_ptr<PackedWeights<S>> packed_;
};

}  // namespace unroll::detail
