#include "framework/memory_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "framework/allocation_log.hpp"
#include "framework/errors.hpp"

namespace unroll {
namespace detail {

class MemoryTracker {
 public:
  void enter(const char* kind, std::string_view parameter_name) {
    mark();
    const auto dot = parameter_name.rfind('.');
    std::string name = kind;
    if (dot != std::string_view::npos) name = fmt::format("{} ({})", parameter_name.substr(0, dot), kind);
    const auto found = std::find(names_.begin(), names_.end(), name);
    stack_.push_back(static_cast<std::uint32_t>(found - names_.begin()));
    if (found == names_.end()) names_.push_back(std::move(name));
    log_.owner = stack_.back();
  }
  void leave() {
    mark();
    stack_.pop_back();
    log_.owner = stack_.back();
  }
  MemoryReport report(const Tape& tape);

  MemoryTracker* outer = memory_tracker;  // on this thread

 private:
  // The tape's length when the current layer began, and the nodes and bytes of every layer.
  struct Marks {
    std::size_t nodes = 0, bytes = 0;
    std::vector<MemoryRow> rows;                             // by owner
    std::vector<std::uint32_t> float_owners, double_owners;  // of the parameters used on the tape
  };
  // Nodes recorded since the last mark belong to the current layer.
  void mark() {
    if (const Tape* tape = Tape::current()) mark(*tape);
  }
  void mark(const Tape& tape) {
    Marks& marks = marks_[tape.serial()];
    marks.rows.resize(names_.size());
    MemoryRow& row = marks.rows[stack_.back()];
    row.nodes += tape.size() - std::exchange(marks.nodes, tape.size());
    row.tape_bytes += tape.used_bytes() - std::exchange(marks.bytes, tape.used_bytes());
    marks.float_owners.resize(std::get<0>(tape.leaves_).size(), stack_.back());
    marks.double_owners.resize(std::get<1>(tape.leaves_).size(), stack_.back());
  }

  AllocationLog log_;
  std::vector<std::string> names_{"outside layers"};  // by owner
  std::vector<std::uint32_t> stack_{0};
  std::unordered_map<std::uint64_t, Marks> marks_;  // by the tape's serial number
};

MemoryReport MemoryTracker::report(const Tape& tape) {
  mark(tape);
  const Marks& marks = marks_[tape.serial()];
  MemoryReport report{marks.rows, tape.bytes() - tape.used_bytes()};
  // Blocks that are counted elsewhere.
  std::unordered_set<const void*> counted{tape.nodes_.data()};
  for (const auto& chunk : tape.chunks_) counted.insert(chunk.data);
  const auto add_parameters = [&](const auto& leaves, const std::vector<std::uint32_t>& owners) {
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      MemoryRow& row = report.rows[owners[i]];
      const std::size_t bytes = leaves[i].size() * sizeof(*leaves[i].data());
      row.parameter_bytes += bytes;
      counted.insert(leaves[i].data());
      if (!leaves[i].has_grad() || leaves[i].get()->leaf->gradient_tape != tape.serial()) continue;
      row.gradient_bytes += bytes;
      counted.insert(leaves[i].grad().data());
    }
  };
  add_parameters(std::get<0>(tape.leaves_), marks.float_owners);
  add_parameters(std::get<1>(tape.leaves_), marks.double_owners);
  for (const auto& [block, entry] : log_.blocks()) {
    if (!counted.contains(block)) report.rows[entry.owner].value_bytes += entry.bytes;
  }
  for (std::size_t i = 0; i < names_.size(); ++i) report.rows[i].layer = names_[i];
  std::rotate(report.rows.begin(), report.rows.begin() + 1, report.rows.end());
  return report;
}

void enter_layer(MemoryTracker& tracker, const char* kind, std::string_view parameter_name) {
  tracker.enter(kind, parameter_name);
}
void leave_layer(MemoryTracker& tracker) { tracker.leave(); }

}  // namespace detail

TrackMemory::TrackMemory() : tracker_(std::make_unique<detail::MemoryTracker>()) {
  detail::memory_tracker = tracker_.get();
}

TrackMemory::~TrackMemory() {
  detail::MemoryTracker** at = &detail::memory_tracker;
  while (*at != tracker_.get()) at = &(*at)->outer;  // trackers may end in any order
  *at = tracker_->outer;
}

std::size_t MemoryReport::step_bytes() const noexcept {
  std::size_t total = spare_tape_bytes;
  for (const MemoryRow& row : rows) total += row.tape_bytes + row.value_bytes;
  return total;
}

MemoryReport memory_report(const Tape& tape) {
  if (detail::memory_tracker == nullptr) {
    throw TapeError(
        "[memory_report] expected a TrackMemory on this thread, from before the forward pass, got none");
  }
  return detail::memory_tracker->report(tape);
}

std::string to_string(const MemoryReport& report) {
  std::size_t width = std::string_view("outside layers").size();
  for (const MemoryRow& row : report.rows) width = std::max(width, row.layer.size());
  const auto line = [&](const std::string& name, auto nodes, const auto&... columns) {
    std::string text = fmt::format("{:<{}} {:>8}", name, width, nodes);
    ((text += fmt::format(" {:>12}", columns)), ...);
    return text + "\n";
  };
  std::string text = line("layer", "nodes", "tape B", "values B", "parameters B", "gradients B");
  MemoryRow sum;
  for (const MemoryRow& row : report.rows) {
    text +=
        line(row.layer, row.nodes, row.tape_bytes, row.value_bytes, row.parameter_bytes, row.gradient_bytes);
    sum.nodes += row.nodes;
    sum.tape_bytes += row.tape_bytes;
    sum.value_bytes += row.value_bytes;
    sum.parameter_bytes += row.parameter_bytes;
    sum.gradient_bytes += row.gradient_bytes;
  }
  text += line("spare tape", "", report.spare_tape_bytes, "", "", "");
  return text + line("total", sum.nodes, sum.tape_bytes + report.spare_tape_bytes, sum.value_bytes,
                     sum.parameter_bytes, sum.gradient_bytes);
}

}  // namespace unroll
