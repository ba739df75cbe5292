// Data sets of sequences, of one length or of many, with their targets.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

// What a sample is to be mapped to: nothing, a class, a class for each step, a vector, a vector for each
// step.
enum class TargetKind { none, label, step_labels, vector, step_vectors };

struct WindowOptions;

// Samples of one kind: a sequence of T vectors (T,I) or T token ids, with T >= 1 of its own, and a target.
// The first sample decides the kind of all. Copies, subsets and windows share the elements. A moved-from data
// set is empty and can be filled again.
//
// add and of throw ShapeError for an empty sequence, a width that differs from the earlier samples, and step
// targets of another length than T; ArgumentError for another kind of input or target and for a negative id.
// The data set is unchanged then.
template <class S>
class SequenceDataset {
 public:
  using Ids = std::vector<std::int64_t>;

  void add(const Tensor<S>& values);                           // (T,I) without a target
  void add(const Tensor<S>& values, std::int64_t label);       // with a class
  void add(const Tensor<S>& values, const Ids& step_labels);   // with T classes
  void add(const Tensor<S>& values, const Tensor<S>& target);  // with a vector (K), or one a step (T,K)
  void add(const Ids& ids);                                    // T token ids, and the same targets
  void add(const Ids& ids, std::int64_t label);
  void add(const Ids& ids, const Ids& step_labels);
  void add(const Ids& ids, const Tensor<S>& target);

  // N samples of one length: values (N,T,I) or ids (N,T), with labels (N) or (N,T), or targets (N,K) or
  // (N,T,K). Throws ShapeError for other shapes.
  static SequenceDataset of(const Tensor<S>& values, const IndexTensor& labels);
  static SequenceDataset of(const Tensor<S>& values, const Tensor<S>& targets);
  static SequenceDataset of(const IndexTensor& ids, const IndexTensor& labels);
  static SequenceDataset of(const IndexTensor& ids, const Tensor<S>& targets);

  std::size_t size() const noexcept { return samples_.size(); }
  bool empty() const noexcept { return samples_.empty(); }
  bool has_ids() const noexcept { return store().has_ids; }
  TargetKind target_kind() const noexcept { return store().target; }
  std::size_t features() const noexcept { return store().width; }            // I, 0 for ids
  std::size_t target_size() const noexcept { return store().target_width; }  // K, 0 for labels

  // Of sample i, which must be below size(): T, its (T,I) values row by row or its T ids, its class or T
  // classes, its target (K) or (T,K). Empty where the data set has none.
  std::size_t length(std::size_t i) const noexcept { return samples_[i].length; }
  std::span<const S> values(std::size_t i) const noexcept;
  std::span<const std::int64_t> ids(std::size_t i) const noexcept;
  std::span<const std::int64_t> labels(std::size_t i) const noexcept;
  std::span<const S> target(std::size_t i) const noexcept;
  // The classes of all samples, for example for split_stratified. Throws ArgumentError unless each has one.
  Ids labels() const;

  // The samples at these positions, in this order. Throws ShapeError for a position outside 0..size()-1.
  SequenceDataset select(std::span<const Index> samples) const;
  // The same samples with every value changed: f(std::span<S>) works in place on rows of features() values.
  template <class F>
  SequenceDataset transformed(F&& f) const {
    SequenceDataset result = *this;
    result.own_store();
    f(std::span<S>(result.store_->values));
    return result;
  }

  template <class T>
  friend SequenceDataset<T> windows(const Tensor<T>& series, const WindowOptions& options);

 private:
  struct Store {
    bool defined = false;  // whether a first sample has said what the others must be
    bool has_ids = false;
    TargetKind target = TargetKind::none;
    std::size_t width = 0, target_width = 0;
    std::vector<S> values;  // rows of width
    Ids ids, labels;
    std::vector<S> targets;
  };
  struct Sample {
    std::size_t first, length;  // rows of the values, or ids
    std::size_t target;         // first element of the target or of the labels
  };
  struct Input {
    bool has_ids;
    std::size_t length, width;
    const S* values;
    const std::int64_t* ids;
  };
  struct Target {
    TargetKind kind;
    std::size_t steps, width;
    const std::int64_t* labels;
    const S* values;
  };
  static Input input_of(const Tensor<S>& values);
  static Input input_of(const Ids& ids);
  static Target target_of(const Ids& step_labels);
  static Target target_of(const Tensor<S>& target);
  void append(const Input& input, const Target& target);
  const Store& store() const noexcept;
  void own_store();

  std::shared_ptr<Store> store_ = std::make_shared<Store>();
  std::vector<Sample> samples_;
};

extern template class SequenceDataset<float>;
extern template class SequenceDataset<double>;

}  // namespace unroll
