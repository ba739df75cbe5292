// Check: runs one fixture along several paths and compares what they give with what the file says.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "fixture.hpp"
#include "framework/var.hpp"
#include "layers/recurrent.hpp"

namespace unroll::oracle {

// Where the worst agreement of a path is.
struct Worst {
  double ratio = -1.0;  // error / what the file allows
  double error = 0.0;
  std::string where = "nothing compared";
};

// One printed label of a seed and the value behind it: an array (or number), or the rest of the line as text.
using Printed = std::map<std::string, std::variant<Tensor<double>, std::string>>;

// The comparisons of one path through one file.
class Comparison {
 public:
  Comparison(Fixture& fixture) : fixture_(fixture) {}

  // |got - want| <= atol + rtol max|want|, element by element, equal shapes. A missing array is a failure.
  void equal(const std::string& name, const Tensor<double>& got);
  void equal(const std::string& name, const Var<double>& got) { equal(name, got.value()); }
  // The same with another tolerance: |got - want| <= allowed.
  void equal_within(const std::string& name, const Tensor<double>& got, double allowed);
  // Every bit.
  void equal_bits(const std::string& name, const Tensor<double>& got);
  // The notebook's printed lines, to the character; a number printed with all its digits to 1e-13 relative.
  // `bare` are the arrays that it prints without a label, in order.
  void published(const Printed& labels, const std::vector<Tensor<double>>& bare = {});
  void fail(std::string reason);

  const std::vector<std::string>& failures() const noexcept { return failures_; }
  const std::set<std::string>& compared() const noexcept { return compared_; }
  const Worst& worst() const noexcept { return worst_; }
  bool has_published() const noexcept { return published_; }

 private:
  Fixture& fixture_;
  std::vector<std::string> failures_;
  std::set<std::string> compared_;
  Worst worst_;
  bool published_ = false;
};

// One file under check. A handler of its system reads the options and calls path() once for every way to
// compute it.
class Check {
 public:
  explicit Check(Fixture& fixture) : fixture_(fixture) {}

  // Runs body, which compares every expected array, and prints its line.
  void path(const std::string& name, const std::function<void(Comparison&)>& body) { run(name, body, true); }
  // The same for a path of which there is only one (a seed's own code): what it compares the others need not.
  void only(const std::string& name, const std::function<void(Comparison&)>& body) { run(name, body, false); }
  // The two ways to run a recurrent layer: op by op on the tape, and by its hand-derived kernel.
  void both_paths(const std::function<void(Comparison&, Path)>& body) {
    path("tape", [&](Comparison& compare) { body(compare, Path::tape); });
    path("kernel", [&](Comparison& compare) { body(compare, Path::fused); });
  }
  // After all paths: names what the file has and nobody looked at.
  void finish();
  void fail(const std::string& reason);
  bool ok() const noexcept { return ok_; }

 private:
  void run(const std::string& name, const std::function<void(Comparison&)>& body, bool complete);

  Fixture& fixture_;
  bool ok_ = true;
  bool published_ = false;
  std::vector<std::pair<std::string, std::set<std::string>>> complete_paths_;
  std::set<std::string> compared_once_;
};

// A leaf with the values of an array of the file.
Var<double> leaf(Fixture& fixture, const std::string& name);
// What backward() found for it; zeros when the loss does not depend on it.
Tensor<double> gradient(const Var<double>& parameter);
// Throws FixtureError unless the array has this shape.
void want_shape(Fixture& fixture, const std::string& name, const Shape& shape);
// True when the file's loss has this upstream gradient. Throws FixtureError when the loss names it and the
// file has no such array.
bool has_upstream(Fixture& fixture, const std::string& name);

// Throws FixtureError unless the option's value is one of these.
void want(const std::string& key, const std::string& got, const std::vector<std::string>& allowed);
// The lengths of the sequences, as an option, an input or both; empty: all are equal.
std::vector<Index> read_lengths(Fixture& fixture, std::size_t batch);

}  // namespace unroll::oracle
