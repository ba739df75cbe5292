// unroll_bench: Unroll, handwritten loops, matrix products alone and other libraries on the same workloads in
// one run.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>

#include "framework/threads.hpp"
#include "machine.hpp"
#include "report.hpp"
#include "workloads.hpp"

namespace {

using namespace unroll::bench;

// Keeps the times of all repetitions instead of printing them.
class Collector : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) {
        fmt::print(stderr, "{}: {}\n", run.run_name.function_name, run.error_message);
        continue;
      }
      if (run.run_type != Run::RT_Iteration) continue;
      const double per = per_.at(run.run_name.function_name);
      times[run.run_name.function_name].push_back(run.real_accumulated_time * 1e6 /
                                                  static_cast<double>(run.iterations) / per);
    }
  }
  void expect(const Variant& v) { per_[v.id()] = v.per; }
  std::map<std::string, std::vector<double>> times;

 private:
  std::map<std::string, double> per_;
};

// The steps of the current workload, built and warmed up at first use.
std::map<std::string, Step> built;

void measure(benchmark::State& state, const Variant& v) {
  pin(v.threads);
  unroll::set_num_threads(v.threads);
  set_blas_threads(v.name.rfind("gemm", 0) == 0 ? v.threads : 1);
  auto found = built.find(v.id());
  if (found == built.end()) {
    try {
      found = built.emplace(v.id(), v.make()).first;
      for (int i = 0; i < 3; ++i) found->second();
    } catch (const std::exception& e) {
      state.SkipWithError(e.what());
      return;
    }
  }
  const Step& step = found->second;
  for (auto _ : state) step();
}

struct Options {
  std::vector<std::string> names, variants;
  std::string json, scalar = "float", threads = "1";
  int repetitions = 11;
  double seconds = 0.05;
  bool list = false, memory = true;
};

bool selected(const Options& o, const Variant& v) {
  const auto named = [](const std::vector<std::string>& wanted, const std::string& name) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  // References always run: a time without one says little on a machine whose speed changes.
  const bool reference = v.name == "hand" || v.name.rfind("gemm", 0) == 0;
  return (o.scalar == "all" || o.scalar == v.scalar) &&
         (o.threads == "all" || std::stoi(o.threads) == v.threads) && v.threads <= cpu_count() &&
         named(o.names, v.workload) && (reference || named(o.variants, v.name));
}

int run(const Options& options, const std::vector<Variant>& all) {
  std::vector<Variant> variants;
  for (const Variant& v : all) {
    if (selected(options, v)) variants.push_back(v);
  }
  if (variants.empty()) {
    fmt::print(stderr, "unroll_bench: nothing of that name (see --list)\n");
    return 2;
  }
  std::vector<std::string> workloads;
  for (const Variant& v : variants) {
    if (std::find(workloads.begin(), workloads.end(), v.workload) == workloads.end())
      workloads.push_back(v.workload);
  }
  fmt::print("{}, {} CPUs; OpenBLAS core {}; {} repetitions of at least {} s each, interleaved\n", cpu_name(),
             cpu_count(), blas_core(), options.repetitions, options.seconds);

  // Memory first, while this process holds nothing that a child could reuse.
  std::map<std::string, double> bytes;
  for (const Variant& v : variants) {
    if (!options.memory || v.name == "hand" || v.name.rfind("gemm", 0) == 0) continue;
    bytes[v.id()] = peak_bytes([&] {
      unroll::set_num_threads(v.threads);
      const Step step = v.make();
      for (int i = 0; i < 2; ++i) step();
    });
  }

  Collector collector;
  for (const Variant& v : variants) {
    collector.expect(v);
    benchmark::RegisterBenchmark(v.id().c_str(), [v](benchmark::State& state) { measure(state, v); })
        ->Repetitions(options.repetitions)
        ->MinTime(options.seconds)
        ->UseRealTime();
  }
  for (std::size_t i = 0; i < workloads.size(); ++i) {
    fmt::print(stderr, "\r[{}/{}] {}    ", i + 1, workloads.size(), workloads[i]);
    benchmark::RunSpecifiedBenchmarks(&collector, "^" + workloads[i] + "/");
    built.clear();
  }
  fmt::print(stderr, "\r                    \r");
  const auto records = summarize(variants, collector.times, bytes);
  fmt::print("{}", table(records));
  if (!options.json.empty()) write_json(options.json, records);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  clear_blas_overrides(argv);
  Options options;
  CLI::App app{
      "Times Unroll's training and streaming steps against hand-written loops, bare matrix products and "
      "other libraries."};
  app.add_option("workloads", options.names, "W1 ... W10, C1 ... C6, ops1 ... ops65536; none: all");
  app.add_flag("--list", options.list, "List workloads and variants, and exit");
  app.add_option("--json", options.json, "Also write the records to this file");
  app.add_option("--variant", options.variants, "Only these variants (and the references)");
  app.add_option("--scalar", options.scalar, "float, double or all")
      ->check(CLI::IsMember({"float", "double", "all"}))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "1, 2 or all")
      ->check(CLI::IsMember({"1", "2", "all"}))
      ->capture_default_str();
  app.add_option("--repetitions", options.repetitions, "Repetitions of every variant")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "Shortest time of a repetition")
      ->check(CLI::Range(0.001, 60.0))
      ->capture_default_str();
  app.add_flag("!--no-memory", options.memory, "Do not measure memory");
  CLI11_PARSE(app, argc, argv);

  std::vector<Variant> all;
  add_layers(all);
  add_custom_cells(all);
  add_cells(all);
  add_op_chains(all);
  add_hand_loops(all);
  add_rooflines(all);
#ifdef UNROLL_BENCH_ONEDNN
  add_onednn(all);
#endif
#ifdef UNROLL_BENCH_TORCH
  add_torch(all);
#endif
  std::stable_sort(all.begin(), all.end(),
                   [](const Variant& a, const Variant& b) { return a.workload < b.workload; });
  if (options.list) {
    for (const Workload& w : kWorkloads) fmt::print("{:<4} {}\n", w.name, w.what);
    for (const CellWorkload& w : kCellWorkloads) fmt::print("{:<4} {}\n", w.name, w.what);
    fmt::print("ops  a chain of taped ops, forward and backward, per op, on so many elements\n\n");
    for (const Variant& v : all) fmt::print("{}\n", v.id());
    return 0;
  }
  std::string program = "unroll_bench", interleave = "--benchmark_enable_random_interleaving=true";
  char* arguments[] = {program.data(), interleave.data(), nullptr};
  int count = 2;
  benchmark::Initialize(&count, arguments);
  try {
    return run(options, all);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
