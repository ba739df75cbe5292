#include "layers/losses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "framework/errors.hpp"

namespace unroll {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One sequence of the batch. Its states are the classes of an alignment in order, with blanks before, between
// and after the labels: blank y_0 blank y_1 ... blank, 2S+1 states.
struct Sequence {
  std::size_t steps = 0;
  std::vector<std::size_t> states;
  // (steps+1, states): [t+1][s] is the log-probability of all paths to state s after step t. The row before
  // the first step starts in state 0. From there every step may stay, advance by one or by two, so paths
  // begin with a blank or a label, and unreachable states need no special case.
  std::vector<double> alpha;
  double log_probability = 0.0;

  std::size_t labels() const noexcept { return states.size() / 2; }
  bool impossible() const noexcept { return log_probability == -kInfinity; }
  // Whether state s can follow state s-2: different labels need no blank between them. Two blanks are equal.
  bool skips(std::size_t s) const noexcept { return s > 2 && states[s] != states[s - 2]; }
};

struct Batch {
  std::size_t steps = 0, classes = 0;
  bool zero_infinity = false;
  std::vector<Sequence> sequences;

  std::size_t size() const noexcept { return sequences.size(); }
  Shape shape() const { return {steps, size(), classes}; }
};

// Returns the start of sequence b in a tensor of the batch's shape, which has no memory if there are no
// steps.
template <class S>
S* at_sequence(S* data, const Batch& batch, std::size_t b) {
  return batch.steps == 0 ? data : data + b * batch.classes;
}

// log(exp(a) + exp(b) + exp(c))
double log_sum(double a, double b, double c) {
  const double m = std::max({a, b, c});
  if (!(m > -kInfinity)) return a + b + c;  // all -inf, or NaN
  return m + std::log(std::exp(a - m) + std::exp(b - m) + std::exp(c - m));
}

// --- forward and backward in log space ---

template <class S>
void run_forward(Sequence& q, const S* x, std::size_t stride) {
  const std::size_t n = q.states.size();
  q.alpha.assign((q.steps + 1) * n, -kInfinity);
  q.alpha[0] = 0.0;
  for (std::size_t t = 0; t < q.steps; ++t, x += stride) {
    const double* from = q.alpha.data() + t * n;
    double* to = q.alpha.data() + (t + 1) * n;
    for (std::size_t s = 0; s < n; ++s) {
      to[s] = log_sum(from[s], s > 0 ? from[s - 1] : -kInfinity, q.skips(s) ? from[s - 2] : -kInfinity) +
              static_cast<double>(x[q.states[s]]);
    }
  }
  const double* last = q.alpha.data() + q.steps * n;
  q.log_probability = log_sum(last[n - 1], n > 1 ? last[n - 2] : -kInfinity, -kInfinity);
}

// d l / d x[t,k] is minus the probability of being in a state of class k after step t, given the target:
//   -sum_{s: state s is k} exp(alpha_t(s) + beta_t(s) - log p)
// with beta_t(s) the log-probability of all paths from state s after step t to a valid end.
template <class S>
void run_backward(const Sequence& q, const S* x, std::size_t stride, std::size_t classes, double upstream,
                  S* gradient) {
  const std::size_t n = q.states.size();
  // Two more than there are states: those after the last cannot be reached.
  std::vector<double> beta(n + 2, -kInfinity), through(n + 2, -kInfinity), row(classes);
  beta[n - 1] = 0.0;
  if (n > 1) beta[n - 2] = 0.0;
  for (std::size_t t = q.steps; t-- > 0;) {
    const double* alpha = q.alpha.data() + (t + 1) * n;
    std::fill(row.begin(), row.end(), 0.0);
    for (std::size_t s = 0; s < n; ++s) {
      row[q.states[s]] -= std::exp(alpha[s] + beta[s] - q.log_probability);
      through[s] = beta[s] + static_cast<double>(x[t * stride + q.states[s]]);
    }
    for (std::size_t s = 0; s < n; ++s) {
      const bool skip = s + 2 < n && q.skips(s + 2);
      beta[s] = log_sum(through[s], through[s + 1], skip ? through[s + 2] : -kInfinity);
    }
    std::transform(row.begin(), row.end(), gradient + t * stride,
                   [upstream](double v) { return static_cast<S>(v == 0.0 ? 0.0 : v * upstream); });
  }
}

template <class S>
Tensor<S> gradient_of(const Batch& batch, const Var<S>& log_probs, const Var<S>& upstream) {
  Tensor<S> gradient = zeros<S>(batch.shape());
  const std::size_t stride = batch.size() * batch.classes;
  for (std::size_t b = 0; b < batch.size(); ++b) {
    const Sequence& q = batch.sequences[b];
    const auto g = static_cast<double>(upstream.data()[b]);
    if (g == 0.0 || (q.impossible() && batch.zero_infinity)) continue;
    run_backward(q, at_sequence(log_probs.data(), batch, b), stride, batch.classes, g,
                 at_sequence(gradient.data(), batch, b));
  }
  return gradient;
}

// --- the same recurrence in ops, for second and higher derivatives ---

template <class S>
Var<S> later(const Var<S>& alpha, Index by) {  // state s gets that of s - by
  const auto n = static_cast<Index>(alpha.shape(1));
  return pad(slice(alpha, 1, {0, std::max<Index>(n - by, 0)}), 1, std::min(by, n), 0, -kInfinity);
}

// Returns the losses (N), up to a constant.
template <class S>
Var<S> losses_on_tape(const Batch& batch, const Var<S>& log_probs) {
  std::size_t states = 1;
  for (const Sequence& q : batch.sequences) states = std::max(states, q.states.size());
  IndexTensor classes(Shape{batch.steps, batch.size(), states}), ends(Shape{batch.size(), 2});
  Mask no_skip(Shape{batch.size(), states});
  Tensor<S> start = full<S>(no_skip.shape(), static_cast<S>(-kInfinity));
  for (std::size_t b = 0; b < batch.size(); ++b) {
    const Sequence& q = batch.sequences[b];
    const std::size_t n = q.states.size();
    for (std::size_t s = 0; s < states; ++s) {
      // States after the last lead nowhere, so they may have any class.
      const auto k = static_cast<std::int64_t>(q.states[s < n ? s : 0]);
      for (std::size_t t = 0; t < batch.steps; ++t) classes(t, b, s) = k;
      no_skip(b, s) = !(s < n && q.skips(s));
    }
    start(b, 0) = S(0);
    // The only state of an empty target counts twice: this adds log 2, which does not affect derivatives.
    ends(b, 0) = static_cast<std::int64_t>(n - 1);
    ends(b, 1) = n > 1 ? ends(b, 0) - 1 : 0;
  }
  const std::vector<Var<S>> emitted = unbind(gather(log_probs, 2, classes), 0);
  Var<S> alpha(std::move(start));
  for (std::size_t t = 0; t < batch.steps; ++t) {
    const Var<S> skipped = masked_fill(later(alpha, 2), no_skip, -kInfinity);
    const Var<S> next = logsumexp(stack({alpha, later(alpha, 1), skipped}), {0}) + emitted[t];
    Mask running(Shape{batch.size(), 1});
    for (std::size_t b = 0; b < batch.size(); ++b) running(b, 0) = t < batch.sequences[b].steps;
    alpha = where(running, next, alpha);
  }
  return -logsumexp(gather(alpha, 1, ends), {1});
}

template <class S>
Var<S> differentiate_on_tape(const Batch& batch, const Var<S>& log_probs, const Var<S>& upstream) {
  // Another Var with the same elements, so that hooks on the input see only its own gradient. (A reshape to
  // the same shape would return the input itself.)
  const Var<S> alias = log_probs + 0.0;
  Mask impossible(Shape{batch.size()});
  for (std::size_t b = 0; b < batch.size(); ++b)
    impossible(b) = batch.sequences[b].impossible() && upstream.data()[b] != S(0);
  const double undefined = batch.zero_infinity ? 0.0 : std::numeric_limits<double>::quiet_NaN();
  const Var<S> seed = masked_fill(upstream, impossible, undefined);
  return gradients<S>({losses_on_tape(batch, alias)}, {alias}, {seed}, /*create_graph=*/true)[0];
}

// --- arguments ---

// lengths (N), each in 0..most; empty: all `most`.
std::vector<std::size_t> checked_lengths(const char* name, const std::vector<Index>& lengths,
                                         std::size_t count, std::size_t most, const char* of) {
  if (lengths.empty()) return std::vector<std::size_t>(count, most);
  if (lengths.size() != count) {
    throw ShapeError(fmt::format("[ctc_loss] {}: expected {} entries (one per sequence), got {}", name, count,
                                 lengths.size()));
  }
  for (std::size_t b = 0; b < count; ++b) {
    if (lengths[b] < 0 || static_cast<std::size_t>(lengths[b]) > most) {
      throw ArgumentError(
          fmt::format("[ctc_loss] {}[{}]: expected 0..{} ({}), got {}", name, b, most, of, lengths[b]));
    }
  }
  return {lengths.begin(), lengths.end()};
}

Batch make_batch(const Shape& shape, const IndexTensor& targets, const std::vector<Index>& input_lengths,
                 const std::vector<Index>& target_lengths, const CtcOptions& options) {
  if (shape.size() != 3) {
    throw ShapeError(
        fmt::format("[ctc_loss] log_probs: expected (T,N,C), got {}{}", to_string(shape),
                    shape.size() == 2 ? " (a single sequence needs a batch axis of size 1)" : ""));
  }
  const std::size_t count = shape[1], classes = shape[2];
  if (options.blank < 0 || static_cast<std::size_t>(options.blank) >= classes) {
    throw ArgumentError(fmt::format("[ctc_loss] blank: expected a class of log_probs' {}, got {}",
                                    to_string(shape), options.blank));
  }
  const bool padded = targets.dimension() == 2;
  if (padded ? targets.shape()[0] != count : targets.dimension() != 1) {
    throw ShapeError(fmt::format("[ctc_loss] targets: expected ({},S), or all of them concatenated, got {}",
                                 count, to_string(targets.shape())));
  }
  if (!padded && target_lengths.empty() && count > 0) {
    throw ShapeError(
        fmt::format("[ctc_loss] target_lengths: expected {} entries for concatenated targets, got 0", count));
  }
  const auto steps = checked_lengths("input_lengths", input_lengths, count, shape[0], "log_probs' T");
  const auto lengths =
      padded ? checked_lengths("target_lengths", target_lengths, count, targets.shape()[1], "the targets' S")
             : checked_lengths("target_lengths", target_lengths, count, targets.size(), "number of labels");
  std::size_t total = 0;
  for (const std::size_t length : lengths) total += length;
  if (!padded && total != targets.size()) {
    throw ShapeError(fmt::format("[ctc_loss] targets: expected {} labels (the sum of target_lengths), got {}",
                                 total, targets.size()));
  }
  Batch batch{shape[0], classes, options.zero_infinity, std::vector<Sequence>(count)};
  const auto blank = static_cast<std::size_t>(options.blank);
  const std::int64_t* target = targets.data();
  for (std::size_t b = 0; b < count; ++b) {
    Sequence& q = batch.sequences[b];
    q.steps = steps[b];
    q.states.assign(2 * lengths[b] + 1, blank);
    for (std::size_t i = 0; i < lengths[b]; ++i) {
      if (target[i] < 0 || static_cast<std::size_t>(target[i]) >= classes || target[i] == options.blank) {
        throw ShapeError(
            fmt::format("[ctc_loss] targets: expected labels 0..{} other than blank {}, got {} at position "
                        "{} of sequence {}",
                        classes - 1, options.blank, target[i], i, b));
      }
      q.states[2 * i + 1] = static_cast<std::size_t>(target[i]);
    }
    target += padded ? targets.shape()[1] : lengths[b];
  }
  return batch;
}

}  // namespace

template <class S>
Var<S> ctc_loss(const Var<S>& log_probs, const IndexTensor& targets, const std::vector<Index>& input_lengths,
                const std::vector<Index>& target_lengths, const CtcOptions& options) {
  Batch batch = make_batch(log_probs.shape(), targets, input_lengths, target_lengths, options);
  const Shape each{batch.size()};
  Tensor<S> values(each), labels(each);
  for (std::size_t b = 0; b < batch.size(); ++b) {
    Sequence& q = batch.sequences[b];
    run_forward(q, at_sequence(log_probs.data(), batch, b), batch.size() * batch.classes);
    values(b) = q.impossible() && batch.zero_infinity ? S(0) : static_cast<S>(-q.log_probability);
    labels(b) = static_cast<S>(std::max<std::size_t>(q.labels(), 1));
  }
  const auto held = std::make_shared<const Batch>(std::move(batch));
  const Var<S> losses =
      record("ctc_loss", Var<S>(std::move(values)), input(log_probs, [log_probs, held](const Var<S>& g) {
               if (Tape::is_recording()) return differentiate_on_tape(*held, log_probs, g);
               return Var<S>(gradient_of(*held, log_probs, g));
             }));
  switch (options.reduction) {
    case Reduction::mean:
      return mean(losses / Var<S>(std::move(labels)));
    case Reduction::sum:
      return sum(losses);
    case Reduction::none:
      break;
  }
  return losses;
}

template Var<float> ctc_loss(const Var<float>&, const IndexTensor&, const std::vector<Index>&,
                             const std::vector<Index>&, const CtcOptions&);
template Var<double> ctc_loss(const Var<double>&, const IndexTensor&, const std::vector<Index>&,
                              const std::vector<Index>&, const CtcOptions&);

}  // namespace unroll
