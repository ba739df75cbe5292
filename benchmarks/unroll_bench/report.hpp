// Reports the measurements as a table and as JSON.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "workloads.hpp"

namespace unroll::bench {

struct Record {
  std::string workload, variant, scalar;
  int threads = 1;
  double median_us = 0, p10_us = 0, p90_us = 0;
  std::string reference;  // the variant that ratio refers to, for the same scalar and threads; "": none
  double ratio = 0;       // median / the reference's median
  double bytes = 0;       // peak growth of a process that builds the model and runs steps
};

// Makes records from the microseconds of every repetition, by Variant::id(). The roofline's layouts become
// one record: the best.
std::vector<Record> summarize(const std::vector<Variant>& variants,
                              const std::map<std::string, std::vector<double>>& times,
                              const std::map<std::string, double>& bytes);

std::string table(const std::vector<Record>& records);
// Throws std::runtime_error if the file cannot be written.
void write_json(const std::string& path, const std::vector<Record>& records);

}  // namespace unroll::bench
