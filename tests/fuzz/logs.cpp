// Logs that a run goes on with: CSV, JSON lines, TensorBoard's event files as they are and as events in
// sound frames.
#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "tests/fuzz/fuzz.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/csv_table.hpp"
#include "training/logs/jsonl_log.hpp"
#include "training/tensorboard/record.hpp"
#include "training/tensorboard/tensorboard_log.hpp"

namespace unroll::fuzz {
namespace {

constexpr std::int64_t kStep = 3;  // where the run goes on

void write_some(Log& log) {
  const std::vector<NamedScalar> some{{"loss", 0.5}, {"new", 0.25}};
  // Refused by a log that has a column of another kind.
  attempt([&] { log.scalars(kStep + 1, 1, some); });
  attempt([&] { log.scalars(kStep + 1, 1, std::span(some).first(1)); });
  attempt([&] { log.text(kStep + 1, "t", "text"); });
  attempt([&] { log.flush(); });
}

// Goes on with the file, writes, and goes on with what it has written, which stays as it is.
template <class L>
void check_log(const std::string& path) {
  const std::string before = bytes_of(path);
  {
    L log(path);
    if (!attempt([&] { log.resume(kStep); })) {
      require(bytes_of(path) == before, "after a file that was refused it is as before");
      return;
    }
    write_some(log);
  }
  const std::string written = bytes_of(path);
  L log(path);
  must("a log that was written is gone on with",
       [&] { log.resume(std::numeric_limits<std::int64_t>::max()); });
  require(bytes_of(path) == written, "a log that was written loses nothing");
}

void check_values(const std::string& path) {
  const detail::LogFile log(path, "CsvLog");
  const std::string text = log.read();
  const auto table = attempt([&] { return detail::CsvTable(log, text); });
  if (!table) return;
  for (std::size_t n = 0; n < table->rows.size(); ++n) {
    for (std::size_t c = 0; c < table->columns.size(); ++c) attempt([&] { return table->value(n, c); });
  }
}

// The name of an event file is outside, too.
const char* const kNames[] = {"events.out.tfevents.1700000000.000001.7.unroll",
                              "events.out.tfevents.9999999999999999999.9.unroll",
                              "events.out.tfevents..unroll", "events.out.tfevents.-1.-1.unroll"};

void check_events(std::string_view bytes, std::size_t which) {
  clear_folder();
  file(kNames[which % std::size(kNames)], bytes);
  const std::string folder = file("");
  {
    const auto log = attempt([&] { return std::make_unique<TensorBoardLog>(folder); });
    if (!log || !attempt([&] { (*log)->resume(kStep); })) return;
    write_some(**log);
  }
  const auto log =
      must("a folder with logs takes another", [&] { return std::make_unique<TensorBoardLog>(folder); });
  must("logs that were written are gone on with", [&] { log->resume(kStep + 1); });
}

// Pieces of the bytes, each with its length in front, as records.
std::string framed(std::string_view bytes) {
  std::string records;
  while (!bytes.empty()) {
    const std::size_t length =
        std::min<std::size_t>(static_cast<unsigned char>(bytes.front()), bytes.size() - 1);
    records += detail::record_of(bytes.substr(1, length));
    bytes.remove_prefix(1 + length);
  }
  return records;
}

}  // namespace

void one_input(std::string_view input) {
  clear_folder();
  check_log<CsvLog>(file("in.csv", input));
  check_log<JsonLinesLog>(file("in.jsonl", input));
  check_values(file("in.csv", input));
  check_events(input, 0);
  check_events(framed(input), input.size());
}

}  // namespace unroll::fuzz
