#include "check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>

#include "published.hpp"

namespace unroll::oracle {
namespace {

std::string position(const Shape& shape, std::size_t flat) {
  Shape at = shape;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    at[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return shape.empty() ? "" : to_string(at);
}

double largest(const std::vector<double>& values) {
  double result = 0.0;
  for (double v : values) result = std::max(result, std::abs(v));
  return result;
}

std::string and_more(std::size_t count) { return count == 0 ? "" : fmt::format(" (and {} more)", count); }

}  // namespace

void Comparison::fail(std::string reason) {
  std::replace(reason.begin(), reason.end(), '\n', ' ');  // one line per file and path
  failures_.push_back(std::move(reason));
}

void Comparison::equal(const std::string& name, const Tensor<double>& got) {
  const double scale = fixture_.has(name) ? largest(fixture_.array(name).values) : 0.0;
  equal_within(name, got, fixture_.atol() + fixture_.rtol() * scale);
}

void Comparison::equal_within(const std::string& name, const Tensor<double>& got, double allowed) {
  if (!fixture_.has(name)) return fail(name + " is missing");
  const Array& want = fixture_.array(name);
  compared_.insert(name);
  if (got.shape() != want.shape) {
    return fail(
        fmt::format("{}: expected shape {}, got {}", name, to_string(want.shape), to_string(got.shape())));
  }
  std::size_t worst = 0;
  double error = -1.0;
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    const double e = std::abs(got.data()[i] - want.values[i]);
    if (e > error || std::isnan(e)) {
      error = e;
      worst = i;
    }
    if (std::isnan(e)) break;
  }
  if (want.values.empty()) return;
  const double ratio = allowed > 0.0 ? error / allowed : (error > 0.0 ? HUGE_VAL : 0.0);
  const std::string where = name + position(want.shape, worst);
  if (!(ratio <= worst_.ratio)) worst_ = {ratio, error, where};
  if (!(error <= allowed)) {
    fail(fmt::format("{}: expected {:.17g}, got {:.17g} (error {:.2e}, allowed {:.2e})", where,
                     want.values[worst], got.data()[worst], error, allowed));
  }
}

void Comparison::equal_bits(const std::string& name, const Tensor<double>& got) {
  equal_within(name, got, 0.0);
  if (!fixture_.has(name) || got.shape() != fixture_.array(name).shape) return;
  const Array& want = fixture_.array(name);
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    const auto a = std::bit_cast<std::uint64_t>(got.data()[i]),
               b = std::bit_cast<std::uint64_t>(want.values[i]);
    if (a != b) return fail(fmt::format("{}[{}]: expected the bits {:016x}, got {:016x}", name, i, b, a));
  }
}

void Comparison::published(const Printed& labels, const std::vector<Tensor<double>>& bare) {
  if (fixture_.published().empty()) return;
  published_ = true;
  compare_published(fixture_.published(), labels, bare,
                    [this](std::string reason) { fail(std::move(reason)); });
}

void Check::run(const std::string& name, const std::function<void(Comparison&)>& body, bool complete) {
  Comparison comparison(fixture_);
  try {
    body(comparison);
  } catch (const std::exception& e) {
    comparison.fail(e.what());
  }
  published_ = published_ || comparison.has_published();
  if (complete) {
    complete_paths_.emplace_back(name, comparison.compared());
  } else {
    compared_once_.insert(comparison.compared().begin(), comparison.compared().end());
  }
  const Worst& worst = comparison.worst();
  if (comparison.failures().empty()) {
    fmt::print("ok    {} [{}] {} arrays, worst error {:.2e} ({:.1e} of the tolerance) at {}\n",
               fixture_.name(), name, comparison.compared().size(), worst.error, worst.ratio, worst.where);
    return;
  }
  ok_ = false;
  fmt::print("FAIL  {} [{}] {}{}\n", fixture_.name(), name, comparison.failures()[0],
             and_more(comparison.failures().size() - 1));
}

void Check::fail(const std::string& reason) {
  ok_ = false;
  fmt::print("FAIL  {} {}\n", fixture_.name(), reason);
}

void Check::finish() {
  if (!ok_) return;  // a path has said what is wrong; most of this would follow from that
  std::vector<std::string> problems;
  for (const std::string& name : fixture_.unused())
    problems.push_back(name + " is not known to this program");
  if (complete_paths_.empty() && compared_once_.empty()) problems.push_back("no path computes this system");
  for (const std::string& name : fixture_.expected()) {
    if (compared_once_.count(name) != 0) continue;
    if (complete_paths_.empty()) problems.push_back(name + " was compared by no path");
    for (const auto& [path, compared] : complete_paths_) {
      if (compared.count(name) == 0)
        problems.push_back(fmt::format("{} was not compared by the path {}", name, path));
    }
  }
  if (!fixture_.published().empty() && !published_)
    problems.push_back("published lines were compared by no path");
  if (!problems.empty()) fail(fmt::format("{}{}", problems[0], and_more(problems.size() - 1)));
}

Var<double> leaf(Fixture& fixture, const std::string& name) { return parameter(fixture.tensor(name), name); }

Tensor<double> gradient(const Var<double>& parameter) {
  return parameter.has_grad() ? parameter.grad() : zeros<double>(parameter.shape());
}

void want_shape(Fixture& fixture, const std::string& name, const Shape& shape) {
  const Shape& got = fixture.array(name).shape;
  if (got != shape) {
    throw FixtureError(
        fmt::format("{}: expected {} by the config, got {}", name, to_string(shape), to_string(got)));
  }
}

bool has_upstream(Fixture& fixture, const std::string& name) {
  if (fixture.has("cotangents/" + name)) return true;
  const std::string word = "cotangents." + name;
  for (std::size_t at = fixture.loss().find(word); at != std::string::npos;
       at = fixture.loss().find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool longer =
        end < fixture.loss().size() &&
        (std::isalnum(static_cast<unsigned char>(fixture.loss()[end])) || fixture.loss()[end] == '_');
    if (!longer) throw FixtureError(fmt::format("cotangents/{} is missing, which the loss needs", name));
  }
  return false;
}

void want(const std::string& key, const std::string& got, const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), got) == allowed.end()) {
    throw FixtureError(
        fmt::format("config.{}: expected {}, got \"{}\"", key, fmt::join(allowed, " or "), got));
  }
}

std::vector<Index> read_lengths(Fixture& fixture, std::size_t batch) {
  std::vector<Index> lengths;
  if (fixture.has_option("lengths")) {
    const auto& option = fixture.option("lengths");
    if (!option.is_array()) throw FixtureError("config.lengths: expected null or a list of integers");
    for (const auto& length : option) {
      if (!is_integer(length)) throw FixtureError("config.lengths: expected null or a list of integers");
      lengths.push_back(length.get<Index>());
    }
  }
  if (fixture.has("inputs/lengths")) {
    const IndexTensor array = fixture.array("inputs/lengths").indices();
    if (lengths.empty()) lengths.assign(array.begin(), array.end());
    if (!std::equal(array.begin(), array.end(), lengths.begin(), lengths.end())) {
      throw FixtureError("inputs/lengths and config.lengths differ");
    }
  }
  if (!lengths.empty() && lengths.size() != batch)
    throw FixtureError(fmt::format("config.lengths: expected {} entries", batch));
  return lengths;
}

}  // namespace unroll::oracle
