#include "training/data/sequences.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "framework/errors.hpp"

namespace unroll {
namespace {

constexpr const char* kTargetKinds[] = {"no target", "a class", "a class for each step", "a vector",
                                        "a vector for each step"};

const char* name(TargetKind kind) { return kTargetKinds[static_cast<std::size_t>(kind)]; }

// The data set's axes (N,...) of a tensor.
void require_axes(const char* what, const Shape& shape, std::size_t least, std::size_t most,
                  const char* want) {
  if (shape.size() < least || shape.size() > most)
    throw ShapeError(
        fmt::format("[SequenceDataset.of] {}: expected {}, got {}", what, want, to_string(shape)));
}

void require_count(const char* what, const Shape& shape, std::size_t n) {
  if (shape[0] != n) {
    throw ShapeError(fmt::format("[SequenceDataset.of] {}: expected {} samples (as the sequences), got {}",
                                 what, n, to_string(shape)));
  }
}

}  // namespace

// --- adding ---

template <class S>
auto SequenceDataset<S>::input_of(const Tensor<S>& values) -> Input {
  if (values.dimension() != 2)
    throw ShapeError(
        fmt::format("[SequenceDataset.add] values: expected (T,I), got {}", to_string(values.shape())));
  return {false, values.shape()[0], values.shape()[1], values.data(), nullptr};
}

template <class S>
auto SequenceDataset<S>::input_of(const Ids& ids) -> Input {
  return {true, ids.size(), 0, nullptr, ids.data()};
}

template <class S>
auto SequenceDataset<S>::target_of(const Ids& step_labels) -> Target {
  return {TargetKind::step_labels, step_labels.size(), 0, step_labels.data(), nullptr};
}

template <class S>
auto SequenceDataset<S>::target_of(const Tensor<S>& target) -> Target {
  const Shape& shape = target.shape();
  if (shape.size() == 1) return {TargetKind::vector, 1, shape[0], nullptr, target.data()};
  if (shape.size() == 2) return {TargetKind::step_vectors, shape[0], shape[1], nullptr, target.data()};
  throw ShapeError(
      fmt::format("[SequenceDataset.add] target: expected (K) or (T,K), got {}", to_string(shape)));
}

template <class S>
auto SequenceDataset<S>::store() const noexcept -> const Store& {
  static const Store none;
  return store_ ? *store_ : none;
}

template <class S>
void SequenceDataset<S>::own_store() {
  if (store_.use_count() != 1) store_ = std::make_shared<Store>(store());
}

template <class S>
void SequenceDataset<S>::append(const Input& input, const Target& target) {
  const bool has_ids = input.has_ids;
  const auto axes = [&](std::size_t width) { return fmt::format("(T,{})", width); };
  if (input.length == 0 || (!has_ids && input.width == 0)) {
    throw ShapeError(
        has_ids ? "[SequenceDataset.add] ids: expected at least one step, got none"
                : fmt::format(
                      "[SequenceDataset.add] values: expected at least one step and one feature, got ({},{})",
                      input.length, input.width));
  }
  if (has_ids) {
    const auto* bad =
        std::find_if(input.ids, input.ids + input.length, [](std::int64_t id) { return id < 0; });
    if (bad != input.ids + input.length)
      throw ArgumentError(
          fmt::format("[SequenceDataset.add] ids: expected >= 0, got {} at {}", *bad, bad - input.ids));
  }
  const bool is_label = target.kind == TargetKind::label || target.kind == TargetKind::step_labels;
  const bool is_vector = target.kind == TargetKind::vector || target.kind == TargetKind::step_vectors;
  if (is_vector && target.width == 0)
    throw ShapeError("[SequenceDataset.add] target: expected at least one value, got none");
  const bool by_step = target.kind == TargetKind::step_labels || target.kind == TargetKind::step_vectors;
  if (by_step && target.steps != input.length) {
    throw ShapeError(fmt::format("[SequenceDataset.add] target: expected {} steps (as the sequence), got {}",
                                 input.length, target.steps));
  }
  if (store().defined) {
    if (has_ids != store().has_ids) {
      throw ArgumentError(
          fmt::format("[SequenceDataset.add] input: expected {} (as in the samples before), got {}",
                      store().has_ids ? "ids" : "values", has_ids ? "ids" : "values"));
    }
    if (input.width != store().width) {
      throw ShapeError(
          fmt::format("[SequenceDataset.add] values: expected {} (as in the samples before), got {}",
                      axes(store().width), axes(input.width)));
    }
    if (target.kind != store().target) {
      throw ArgumentError(
          fmt::format("[SequenceDataset.add] target: expected {} (as in the samples before), got {}",
                      name(store().target), name(target.kind)));
    }
    if (target.width != store().target_width) {
      throw ShapeError(
          fmt::format("[SequenceDataset.add] target: expected {} values (as in the samples before), got {}",
                      store().target_width, target.width));
    }
  }
  own_store();
  Store& own = *store_;
  own.defined = true;
  own.has_ids = has_ids;
  own.target = target.kind;
  own.width = input.width;
  own.target_width = target.width;
  Sample sample{0, input.length, 0};
  if (has_ids) {
    sample.first = own.ids.size();
    own.ids.insert(own.ids.end(), input.ids, input.ids + input.length);
  } else {
    sample.first = own.values.size() / input.width;
    own.values.insert(own.values.end(), input.values, input.values + input.length * input.width);
  }
  if (is_label) {
    sample.target = own.labels.size();
    own.labels.insert(own.labels.end(), target.labels, target.labels + target.steps);
  } else if (is_vector) {
    sample.target = own.targets.size();
    own.targets.insert(own.targets.end(), target.values, target.values + target.steps * target.width);
  }
  samples_.push_back(sample);
}

template <class S>
void SequenceDataset<S>::add(const Tensor<S>& values) {
  append(input_of(values), {TargetKind::none, 0, 0, nullptr, nullptr});
}
template <class S>
void SequenceDataset<S>::add(const Tensor<S>& values, std::int64_t label) {
  append(input_of(values), {TargetKind::label, 1, 0, &label, nullptr});
}
template <class S>
void SequenceDataset<S>::add(const Tensor<S>& values, const Ids& step_labels) {
  append(input_of(values), target_of(step_labels));
}
template <class S>
void SequenceDataset<S>::add(const Tensor<S>& values, const Tensor<S>& target) {
  append(input_of(values), target_of(target));
}
template <class S>
void SequenceDataset<S>::add(const Ids& ids) {
  append(input_of(ids), {TargetKind::none, 0, 0, nullptr, nullptr});
}
template <class S>
void SequenceDataset<S>::add(const Ids& ids, std::int64_t label) {
  append(input_of(ids), {TargetKind::label, 1, 0, &label, nullptr});
}
template <class S>
void SequenceDataset<S>::add(const Ids& ids, const Ids& step_labels) {
  append(input_of(ids), target_of(step_labels));
}
template <class S>
void SequenceDataset<S>::add(const Ids& ids, const Tensor<S>& target) {
  append(input_of(ids), target_of(target));
}

// --- from tensors ---

namespace {

// Calls append(i, input, target) ... with the rows of each.
template <class Input, class S>
Input values_row(const Tensor<S>& values, std::size_t i) {
  const std::size_t steps = values.shape()[1], width = values.shape()[2];
  return {false, steps, width, values.data() + i * steps * width, nullptr};
}

template <class Input>
Input ids_row(const IndexTensor& ids, std::size_t i) {
  const std::size_t steps = ids.shape()[1];
  return {true, steps, 0, nullptr, ids.data() + i * steps};
}

template <class Target>
Target labels_row(const IndexTensor& labels, std::size_t i) {
  if (labels.dimension() == 1) return {TargetKind::label, 1, 0, labels.data() + i, nullptr};
  const std::size_t steps = labels.shape()[1];
  return {TargetKind::step_labels, steps, 0, labels.data() + i * steps, nullptr};
}

template <class Target, class S>
Target targets_row(const Tensor<S>& targets, std::size_t i) {
  const Shape& shape = targets.shape();
  if (shape.size() == 2) return {TargetKind::vector, 1, shape[1], nullptr, targets.data() + i * shape[1]};
  return {TargetKind::step_vectors, shape[1], shape[2], nullptr, targets.data() + i * shape[1] * shape[2]};
}

}  // namespace

template <class S>
SequenceDataset<S> SequenceDataset<S>::of(const Tensor<S>& values, const IndexTensor& labels) {
  require_axes("values", values.shape(), 3, 3, "(N,T,I)");
  require_axes("labels", labels.shape(), 1, 2, "(N) or (N,T)");
  require_count("labels", labels.shape(), values.shape()[0]);
  SequenceDataset data;
  for (std::size_t i = 0; i < values.shape()[0]; ++i)
    data.append(values_row<Input>(values, i), labels_row<Target>(labels, i));
  return data;
}
template <class S>
SequenceDataset<S> SequenceDataset<S>::of(const Tensor<S>& values, const Tensor<S>& targets) {
  require_axes("values", values.shape(), 3, 3, "(N,T,I)");
  require_axes("targets", targets.shape(), 2, 3, "(N,K) or (N,T,K)");
  require_count("targets", targets.shape(), values.shape()[0]);
  SequenceDataset data;
  for (std::size_t i = 0; i < values.shape()[0]; ++i)
    data.append(values_row<Input>(values, i), targets_row<Target>(targets, i));
  return data;
}
template <class S>
SequenceDataset<S> SequenceDataset<S>::of(const IndexTensor& ids, const IndexTensor& labels) {
  require_axes("ids", ids.shape(), 2, 2, "(N,T)");
  require_axes("labels", labels.shape(), 1, 2, "(N) or (N,T)");
  require_count("labels", labels.shape(), ids.shape()[0]);
  SequenceDataset data;
  for (std::size_t i = 0; i < ids.shape()[0]; ++i)
    data.append(ids_row<Input>(ids, i), labels_row<Target>(labels, i));
  return data;
}
template <class S>
SequenceDataset<S> SequenceDataset<S>::of(const IndexTensor& ids, const Tensor<S>& targets) {
  require_axes("ids", ids.shape(), 2, 2, "(N,T)");
  require_axes("targets", targets.shape(), 2, 3, "(N,K) or (N,T,K)");
  require_count("targets", targets.shape(), ids.shape()[0]);
  SequenceDataset data;
  for (std::size_t i = 0; i < ids.shape()[0]; ++i)
    data.append(ids_row<Input>(ids, i), targets_row<Target>(targets, i));
  return data;
}

// --- reading ---

template <class S>
std::span<const S> SequenceDataset<S>::values(std::size_t i) const noexcept {
  if (store().has_ids) return {};
  return {store().values.data() + samples_[i].first * store().width, samples_[i].length * store().width};
}

template <class S>
std::span<const std::int64_t> SequenceDataset<S>::ids(std::size_t i) const noexcept {
  if (!store().has_ids) return {};
  return {store().ids.data() + samples_[i].first, samples_[i].length};
}

template <class S>
std::span<const std::int64_t> SequenceDataset<S>::labels(std::size_t i) const noexcept {
  const bool one = target_kind() == TargetKind::label;
  if (!one && target_kind() != TargetKind::step_labels) return {};
  return {store().labels.data() + samples_[i].target, one ? 1 : samples_[i].length};
}

template <class S>
std::span<const S> SequenceDataset<S>::target(std::size_t i) const noexcept {
  const bool one = target_kind() == TargetKind::vector;
  if (!one && target_kind() != TargetKind::step_vectors) return {};
  return {store().targets.data() + samples_[i].target, (one ? 1 : samples_[i].length) * store().target_width};
}

template <class S>
auto SequenceDataset<S>::labels() const -> Ids {
  if (target_kind() != TargetKind::label) {
    throw ArgumentError(
        fmt::format("[SequenceDataset.labels] target: expected a class, got {}", name(target_kind())));
  }
  Ids result;
  for (std::size_t i = 0; i < size(); ++i) result.push_back(labels(i)[0]);
  return result;
}

template <class S>
SequenceDataset<S> SequenceDataset<S>::select(std::span<const Index> samples) const {
  SequenceDataset result;
  result.store_ = store_;
  for (const Index i : samples) {
    if (i < 0 || static_cast<std::size_t>(i) >= size())
      throw ShapeError(
          fmt::format("[SequenceDataset.select] samples: expected positions in [0, {}), got {}", size(), i));
    result.samples_.push_back(samples_[static_cast<std::size_t>(i)]);
  }
  return result;
}

template class SequenceDataset<float>;
template class SequenceDataset<double>;

}  // namespace unroll
