#include "framework/program/passes.hpp"

#include <algorithm>

namespace unroll::detail {
namespace {

std::size_t at(int number) { return static_cast<std::size_t>(number); }

// Numbers are below this.
template <class S>
std::size_t count_numbers(const StepCode<S>& code) {
  int most = -1;
  for (const auto& op : code.list) {
    most = std::max(most, op.output);
    for (const int in : op.inputs) most = std::max(most, in);
  }
  for (const auto* results : {code.next, code.gradients}) {
    for (const int number : *results) most = std::max(most, number);
  }
  return at(most + 1);
}

}  // namespace

template <class S>
void merge_equal(StepCode<S>& code) {
  std::vector<int> same(count_numbers(code));
  for (std::size_t n = 0; n < same.size(); ++n) same[n] = static_cast<int>(n);
  for (std::size_t i = 0; i < code.list.size(); ++i) {
    Instruction<S>& op = code.list[i];
    for (int& in : op.inputs) in = same[at(in)];
    for (std::size_t k = i < code.step_size ? 0 : code.step_size; k < i; ++k) {
      Instruction<S> other = code.list[k];
      other.output = op.output;
      if (!(other == op)) continue;
      same[at(op.output)] = code.list[k].output;
      break;
    }
  }
  for (auto* results : {code.next, code.gradients}) {
    for (int& number : *results)
      if (number >= 0) number = same[at(number)];
  }
}

template <class S>
void drop_unused(StepCode<S>& code) {
  std::vector<bool> needed(count_numbers(code), false);
  for (const auto* results : {code.next, code.gradients}) {
    for (const int number : *results)
      if (number >= 0) needed[at(number)] = true;
  }
  std::vector<Instruction<S>> kept;
  std::size_t step_size = 0;
  for (std::size_t i = code.list.size(); i-- > 0;) {
    Instruction<S>& op = code.list[i];
    if (!needed[at(op.output)]) continue;
    for (const int in : op.inputs) needed[at(in)] = true;
    step_size += i < code.step_size ? 1 : 0;
    kept.push_back(std::move(op));
  }
  std::reverse(kept.begin(), kept.end());
  code.list = std::move(kept);
  code.step_size = step_size;
}

template <class S>
void add_into_products(StepCode<S>& code, const AboutTwo& are_alike, const AboutTwo& run_together) {
  std::vector<std::size_t> uses(count_numbers(code), 0), producer(uses.size(), code.list.size());
  for (std::size_t i = 0; i < code.list.size(); ++i) {
    for (const int in : code.list[i].inputs) ++uses[at(in)];
    producer[at(code.list[i].output)] = i;
  }
  for (const auto* results : {code.next, code.gradients}) {
    for (const int number : *results)
      if (number >= 0) ++uses[at(number)];
  }
  for (std::size_t z = 0; z < code.list.size(); ++z) {
    Instruction<S>& sum = code.list[z];
    if (sum.kind != Kind::binary || sum.binary.same != kernel::pointwise<S>().add.same) continue;
    for (const std::size_t side : {std::size_t{1}, std::size_t{0}}) {
      const int number = sum.inputs[side], addend = sum.inputs[1 - side];
      const std::size_t p = producer[at(number)];
      if (p >= z || uses[at(number)] != 1) continue;
      if (!are_alike(number, addend) || !run_together(number, sum.output)) continue;
      Instruction<S> product = code.list[p];
      if (product.kind != Kind::product || product.adds) continue;
      product.adds = true;
      product.inputs.push_back(addend);
      product.output = sum.output;
      sum = std::move(product);  // where the addend is there
      break;
    }
  }
  drop_unused(code);
}

#define UNROLL_INSTANTIATE(S)              \
  template void merge_equal(StepCode<S>&); \
  template void drop_unused(StepCode<S>&); \
  template void add_into_products(StepCode<S>&, const AboutTwo&, const AboutTwo&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
