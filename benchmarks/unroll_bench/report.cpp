#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "machine.hpp"

namespace unroll::bench {
namespace {

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

std::string reference_of(const std::string& workload) {
  for (const Workload& w : kWorkloads) {
    if (workload == w.name) return w.reference;
  }
  for (const CellWorkload& w : kCellWorkloads) {
    if (workload == w.name) return "unroll";
  }
  return "hand";
}

std::string microseconds(double us) {
  if (us >= 1e4) return fmt::format("{:.2f} ms", us / 1e3);
  if (us >= 1e2) return fmt::format("{:.1f} us", us);
  if (us >= 1.0) return fmt::format("{:.3f} us", us);
  return fmt::format("{:.2f} ns", us * 1e3);
}

}  // namespace

std::vector<Record> summarize(const std::vector<Variant>& variants,
                              const std::map<std::string, std::vector<double>>& times,
                              const std::map<std::string, double>& bytes) {
  std::vector<Record> records;
  for (const Variant& v : variants) {
    const auto found = times.find(v.id());
    if (found == times.end() || found->second.empty()) continue;
    const auto& t = found->second;
    Record r{v.workload,       v.name,           v.scalar, v.threads, quantile(t, 0.5),
             quantile(t, 0.1), quantile(t, 0.9), {},       0,         0};
    if (const auto b = bytes.find(v.id()); b != bytes.end()) r.bytes = b->second;
    if (r.variant.rfind("gemm", 0) == 0) {
      r.variant = "gemm";
      const auto same = std::find_if(records.begin(), records.end(), [&](const Record& other) {
        return other.workload == r.workload && other.variant == r.variant && other.scalar == r.scalar &&
               other.threads == r.threads;
      });
      if (same != records.end()) {
        if (r.median_us < same->median_us) *same = r;
        continue;
      }
    }
    records.push_back(std::move(r));
  }
  for (Record& r : records) {
    for (const Record& reference : records) {
      if (reference.workload != r.workload || reference.scalar != r.scalar ||
          reference.threads != r.threads || reference.variant != reference_of(r.workload)) {
        continue;
      }
      r.reference = reference.variant;
      r.ratio = r.median_us / reference.median_us;
    }
  }
  return records;
}

std::string table(const std::vector<Record>& records) {
  std::string text = fmt::format("{:<9} {:<16} {:<7} {:>7} {:>12} {:>12} {:>12} {:>7} {:>9}\n", "workload",
                                 "variant", "scalar", "threads", "median", "p10", "p90", "ratio", "MB");
  for (const Record& r : records) {
    text += fmt::format("{:<9} {:<16} {:<7} {:>7} {:>12} {:>12} {:>12} {:>7} {:>9}\n", r.workload, r.variant,
                        r.scalar, r.threads, microseconds(r.median_us), microseconds(r.p10_us),
                        microseconds(r.p90_us), r.reference.empty() ? "" : fmt::format("{:.3f}", r.ratio),
                        r.bytes > 0 ? fmt::format("{:.1f}", r.bytes / 1e6) : "");
  }
  return text;
}

void write_json(const std::string& path, const std::vector<Record>& records) {
  auto list = nlohmann::json::array();
  for (const Record& r : records) {
    list.push_back({{"workload", r.workload},
                    {"variant", r.variant},
                    {"scalar", r.scalar},
                    {"threads", r.threads},
                    {"median_us", r.median_us},
                    {"p10_us", r.p10_us},
                    {"p90_us", r.p90_us},
                    {"reference", r.reference},
                    {"ratio", r.ratio},
                    {"blas_core", blas_core()},
                    {"bytes", r.bytes}});
  }
  std::ofstream file(path);
  file << list.dump(1) << '\n';
  file.flush();
  if (!file) throw std::runtime_error(fmt::format("unroll_bench: cannot write {}", path));
}

}  // namespace unroll::bench
