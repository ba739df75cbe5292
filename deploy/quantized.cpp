#include "deploy/quantized.hpp"

#include <algorithm>
#include <set>

#include "deploy/c_layer.hpp"
#include "framework/ops.hpp"
#include "framework/program/program.hpp"

namespace unroll::detail {
namespace {

template <class S>
Var<S> quantized(const Var<S>& matrix, bool rows_are_outputs) {
  const Var<S> rows = rows_are_outputs ? matrix : Var<S>(transpose(matrix).value());
  const std::vector<float> values = through_int8(as_floats(matrix.name(), rows), rows.shape(0));
  Tensor<S> result(rows.value());
  std::transform(values.begin(), values.end(), result.data(), [](float v) { return static_cast<S>(v); });
  const Var<S> made(std::move(result));
  return rows_are_outputs ? made : Var<S>(transpose(made).value());
}

}  // namespace

template <class S>
StreamSource<S> quantized(StreamSource<S> source) {
  const NoGrad constants;
  for (StreamCell<S>& cell : source.cells) {
    auto step = std::make_shared<StepProgram<S>>(static_cast<const StepProgram<S>&>(*cell.program));
    step->packed = std::make_shared<PackedWeights<S>>();
    const std::vector<int>& numbers = step->program->externals;
    std::set<std::size_t> seen;
    for (const auto* list : {&step->program->forward.before, &step->program->forward.loop}) {
      for (const Instruction<S>& op : *list) {
        if (op.kind != Kind::product) continue;
        const auto found = std::find(numbers.begin(), numbers.end(), op.inputs[1]);
        if (found == numbers.end() || !is_read_by_products_alone(*step->program, *found)) continue;
        const auto index = static_cast<std::size_t>(found - numbers.begin());
        if (!seen.insert(index).second) continue;
        Var<S>& matrix = step->externals[index];
        matrix = quantized(matrix, op.transpose_b);
      }
    }
    cell.program = std::move(step);
  }
  if (source.embedding.defined()) source.embedding = quantized(source.embedding, true);
  if (source.has_head) source.head_weight = quantized(source.head_weight, true);
  return source;
}

template StreamSource<float> quantized(StreamSource<float>);
template StreamSource<double> quantized(StreamSource<double>);

}  // namespace unroll::detail
