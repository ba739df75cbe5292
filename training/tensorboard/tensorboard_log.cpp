#include "training/tensorboard/tensorboard_log.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <utf8.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/number_text.hpp"
#include "framework/quoted.hpp"
#include "training/logs/log_file.hpp"
#include "training/run_files.hpp"
#include "training/tensorboard/event.pb.h"
#include "training/tensorboard/histogram.hpp"
#include "training/tensorboard/record.hpp"

namespace unroll {
namespace {

namespace fs = std::filesystem;
using tensorboard::Event;

// TensorBoard reads every file with "tfevents" in its name, in the order of the names.
constexpr const char* kPrefix = "events.out.tfevents.";
constexpr const char* kSuffix = ".unroll";  // ours: what resume() may change

std::int64_t now_in_microseconds() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

// The event files of these runs in the folder, oldest first.
std::vector<fs::path> event_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix)) files.push_back(entry->path());
  }
  if (error)
    throw FileError(fmt::format("[TensorBoardLog] {}: cannot open the folder: {}",
                                escaped(directory.string(), 200), error.message()));
  std::ranges::sort(files);
  return files;
}

// The time in a name of ours, "events.out.tfevents.SSSSSSSSSS.UUUUUU.PID.unroll", in microseconds.
std::optional<std::int64_t> time_of(const fs::path& file) {
  constexpr std::size_t kSeconds = 10, kMicros = 6;
  const std::string name = file.filename().string().substr(std::string_view(kPrefix).size());
  if (name.size() < kSeconds + kMicros + 2 || name[kSeconds] != '.' || name[kSeconds + 1 + kMicros] != '.')
    return std::nullopt;
  const std::string digits = name.substr(0, kSeconds) + name.substr(kSeconds + 1, kMicros);
  const auto time = detail::parse_number<std::int64_t>(digits);
  return time && *time >= 0 ? time : std::nullopt;
}

void make_folder(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error)
    throw FileError(fmt::format("[TensorBoardLog] {}: cannot open the folder: {}", escaped(directory, 200),
                                error.message()));
}

// A name after all that are there, whatever the clock says: later files hold later events.
std::string new_file(const std::string& directory) {
  std::int64_t time = now_in_microseconds();
  for (const fs::path& file : event_files(directory)) {
    if (const auto before = time_of(file)) time = std::max(time, *before + 1);
  }
  return (fs::path(directory) /
          fmt::format("{}{:010}.{:06}.{}{}", kPrefix, time / 1000000, time % 1000000, ::getpid(), kSuffix))
      .string();
}

Event event_at(std::int64_t step) {
  Event event;
  event.set_wall_time(static_cast<double>(now_in_microseconds()) / 1e6);
  event.set_step(step);
  return event;
}

bool is_utf8(std::string_view text) { return utf8::is_valid(text.begin(), text.end()); }

void check_tag(std::string_view name, const char* function) {
  if (name.empty())
    throw ArgumentError(fmt::format("[TensorBoardLog.{}] names: expected text, got ''", function));
  if (!is_utf8(name)) throw ArgumentError(fmt::format("[TensorBoardLog.{}] names: expected UTF-8", function));
}

// Indented by four spaces Markdown shows text as it is.
std::string verbatim(std::string_view text) {
  std::string result = "    ";
  for (const char c : text) result += c == '\n' ? "\n    " : std::string(1, c);
  return result;
}

}  // namespace

struct TensorBoardLog::Impl {
  std::string directory;
  TensorBoardOptions options;
  std::unique_ptr<detail::LogFile> file = {};  // from the first event on: a run without any leaves no file
  std::optional<std::int64_t> begins_at = 0;   // where the next event begins a run, or goes on with one

  void add(const Event& event) {
    std::string records;
    if (!file) {
      make_folder(directory);
      file = std::make_unique<detail::LogFile>(new_file(directory), "TensorBoardLog");
      Event version = event_at(0);
      version.set_file_version("brain.Event:2");
      records += detail::record_of(version.SerializeAsString());
    }
    if (begins_at) {
      Event start = event_at(*begins_at);
      start.mutable_session_log()->set_status(tensorboard::SessionLog::START);
      records += detail::record_of(start.SerializeAsString());
    }
    file->append(records + detail::record_of(event.SerializeAsString()));
    begins_at.reset();
  }
};

TensorBoardLog::TensorBoardLog(const std::string& directory, TensorBoardOptions options)
    : impl_(new Impl{directory, options}) {
  make_folder(directory);
  detail::require_file("TensorBoardLog", new_file(directory));
  const std::string stem = detail::temporary_stem(kPrefix);
  detail::remove_unfinished_in(directory, [&](std::string_view found) { return found.starts_with(stem); });
}

TensorBoardLog::~TensorBoardLog() = default;

std::string TensorBoardLog::path() const { return impl_->file ? impl_->file->path() : ""; }

void TensorBoardLog::scalars(std::int64_t step, std::int64_t, std::span<const NamedScalar> values) {
  detail::check_scalar_names("TensorBoardLog", values, {});
  Event event = event_at(step);
  for (const NamedScalar& value : values) {
    check_tag(value.name, "scalars");
    auto* entry = event.mutable_summary()->add_value();
    entry->set_tag(value.name);
    entry->set_simple_value(static_cast<float>(value.value));
  }
  if (!values.empty()) impl_->add(event);
}

void TensorBoardLog::histogram(std::int64_t step, std::string_view name, std::span<const float> values) {
  check_tag(name, "histogram");
  const detail::BucketCounts buckets = detail::count_in_buckets(values);
  Event event = event_at(step);
  if (buckets.count > 0) {
    auto* entry = event.mutable_summary()->add_value();
    entry->set_tag(std::string(name));
    auto* histogram = entry->mutable_histo();
    histogram->set_min(buckets.min);
    histogram->set_max(buckets.max);
    histogram->set_num(static_cast<double>(buckets.count));
    histogram->set_sum(buckets.sum);
    histogram->set_sum_squares(buckets.sum_squares);
    histogram->mutable_bucket_limit()->Add(buckets.limits.begin(), buckets.limits.end());
    histogram->mutable_bucket()->Add(buckets.counts.begin(), buckets.counts.end());
  }
  if (buckets.nonfinite > 0) {
    auto* entry = event.mutable_summary()->add_value();
    entry->set_tag(std::string(name) + "/nonfinite");
    entry->set_simple_value(static_cast<float>(buckets.nonfinite));
  }
  if (!values.empty()) impl_->add(event);
}

void TensorBoardLog::text(std::int64_t step, std::string_view name, std::string_view text) {
  check_tag(name, "text");
  if (!is_utf8(text)) throw ArgumentError("[TensorBoardLog.text] text: expected UTF-8");
  Event event = event_at(step);
  auto* entry = event.mutable_summary()->add_value();
  entry->set_tag(std::string(name));
  entry->mutable_metadata()->mutable_plugin_data()->set_plugin_name("text");
  entry->mutable_metadata()->set_data_class(tensorboard::SummaryMetadata::DATA_CLASS_TENSOR);
  auto* tensor = entry->mutable_tensor();
  tensor->set_dtype(tensorboard::Tensor::DT_STRING);
  tensor->mutable_tensor_shape();
  tensor->add_string_val(impl_->options.markdown ? std::string(text) : verbatim(text));
  impl_->add(event);
}

void TensorBoardLog::flush() {
  if (impl_->file) impl_->file->sync();
}

void TensorBoardLog::resume(std::int64_t step) {
  // All are read before one is changed.
  std::vector<std::pair<std::unique_ptr<detail::LogFile>, std::string>> changes;
  for (const fs::path& path : event_files(impl_->directory)) {
    auto file = std::make_unique<detail::LogFile>(path.string(), "TensorBoardLog");
    const std::string contents = file->read();
    std::string kept;
    for (const detail::Record& record : detail::split_records(*file, contents)) {
      Event event;
      if (!std::in_range<int>(record.bytes.size()) ||
          !event.ParseFromArray(record.bytes.data(), static_cast<int>(record.bytes.size()))) {
        file->fail(0, fmt::format("expected an event in the record at byte {}", record.offset));
      }
      if (event.step() <= step) kept.append(record.frame);
    }
    if (kept != contents) changes.emplace_back(std::move(file), std::move(kept));
  }
  for (auto& [file, kept] : changes) {
    (file->path() == path() ? *impl_->file : *file).replace(kept);
  }
  impl_->begins_at = step + 1;
}

}  // namespace unroll
