#include "training/trainer/checkpoint.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "framework/errors.hpp"
#include "framework/flat_json.hpp"
#include "framework/number_text.hpp"
#include "framework/quoted.hpp"
#include "training/data/json_text.hpp"
#include "training/run_files.hpp"

namespace unroll {
namespace {

using Json = nlohmann::json;

// Numbers as text: JSON has no NaN, and this way every bit comes back.
Json number(double value) { return fmt::format("{}", value); }

constexpr std::size_t kDeepest = 16;                   // brackets within brackets; a state has 5
constexpr std::int64_t kMost = std::int64_t{1} << 62;  // of any count; it can still be counted on

[[noreturn]] void fail_state(const std::string& what) {
  throw ArgumentError(fmt::format("[TrainState.from_text] {}", what));
}

double to_number(const char* key, const Json& value) {
  if (!value.is_string())
    fail_state(fmt::format("'{}': expected a number as text, got {}", key, value.type_name()));
  const auto& text = value.get_ref<const std::string&>();
  const auto number = detail::parse_number<double>(text);
  if (!number) fail_state(fmt::format("'{}': expected a number, got {}", key, unroll::quoted(text)));
  return *number;
}

const Json& member(const Json& object, const char* key) {
  const auto found = object.find(key);  // the end for what is no object
  if (found == object.end()) fail_state(fmt::format("expected '{}', got none", key));
  return *found;
}

double number_at(const Json& object, const char* key) { return to_number(key, member(object, key)); }

std::int64_t count_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > static_cast<std::uint64_t>(kMost)) {
    fail_state(
        fmt::format("'{}': expected a whole number from 0 to 2^62, got {}", key, detail::excerpt(value)));
  }
  return value.get<std::int64_t>();
}

const Json& list_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_array()) fail_state(fmt::format("'{}': expected a list, got {}", key, value.type_name()));
  return value;
}

std::map<std::string, std::string> texts_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  std::map<std::string, std::string> texts;
  if (!value.is_object()) fail_state(fmt::format("'{}': expected an object, got {}", key, value.type_name()));
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string())
      fail_state(
          fmt::format("'{}': expected texts, got {} as {}", key, text.type_name(), unroll::quoted(name)));
    texts[name] = text.get<std::string>();
  }
  return texts;
}

Json from_scores(const Scores& scores) {
  Json list = Json::array();
  for (const auto& [name, value] : scores) list.push_back({name, number(value)});
  return list;
}

Scores scores_at(const Json& object, const char* key) {
  Scores scores;
  for (const Json& pair : list_at(object, key)) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string()) {
      fail_state(fmt::format("'{}': expected pairs of name and number, got {}", key, detail::excerpt(pair)));
    }
    scores.push_back({pair[0].get<std::string>(), to_number(key, pair[1])});
  }
  return scores;
}

Json from_report(const EpochReport& report) {
  return {{"epoch", report.epoch},
          {"step", report.step},
          {"train", from_scores(report.train)},
          {"valid", from_scores(report.valid)},
          {"grad_norm", number(report.grad_norm)},
          {"lr", number(report.lr)},
          {"best", report.best}};
}

EpochReport to_report(const Json& json) {
  EpochReport report;
  report.epoch = count_at(json, "epoch");
  report.step = count_at(json, "step");
  report.train = scores_at(json, "train");
  report.valid = scores_at(json, "valid");
  report.grad_norm = number_at(json, "grad_norm");
  report.lr = number_at(json, "lr");
  const Json& best = member(json, "best");
  if (!best.is_boolean()) fail_state("'best': expected true or false, got " + detail::excerpt(best));
  report.best = best.get<bool>();
  return report;
}

}  // namespace

std::string TrainState::to_text() const {
  Json json{{"epoch", epoch},
            {"batch", batch},
            {"step", step},
            {"batches", batches},
            {"loss", number(loss)},
            {"weight", number(weight)},
            {"grad_norm", number(grad_norm)},
            {"steps", steps},
            {"metrics", metrics},
            {"plateau", plateau},
            {"patience_best", number(patience.best)},
            {"patience_bad_epochs", patience.bad_epochs},
            {"best_score", number(best_score)},
            {"best_epoch", best_epoch},
            {"monitor", monitor},
            {"random", random},
            {"lr", Json::array()},
            {"history", Json::array()}};
  for (const double rate : lr) json["lr"].push_back(number(rate));
  for (const EpochReport& report : history) json["history"].push_back(from_report(report));
  try {
    return json.dump();
  } catch (const Json::exception& error) {
    throw ArgumentError(fmt::format("[TrainState.to_text] names: expected UTF-8, got: {}", error.what()));
  }
}

TrainState TrainState::from_text(const std::string& text) {
  // Every value that is read here is then safe to copy and to print, which nlohmann does recursively.
  if (detail::nested_deeper(text, kDeepest)) {
    fail_state(fmt::format("expected at most {} brackets within each other, got more", kDeepest));
  }
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) fail_state("expected a JSON object, got something else");
  TrainState state;
  state.epoch = count_at(json, "epoch");
  state.batch = count_at(json, "batch");
  state.step = count_at(json, "step");
  state.batches = count_at(json, "batches");
  state.loss = number_at(json, "loss");
  state.weight = number_at(json, "weight");
  state.grad_norm = number_at(json, "grad_norm");
  state.steps = count_at(json, "steps");
  state.metrics = texts_at(json, "metrics");
  const auto text_at = [&](const char* name) {
    const Json& value = member(json, name);
    if (!value.is_string())
      fail_state(fmt::format("'{}': expected a text, got {}", name, detail::excerpt(value)));
    return value.get<std::string>();
  };
  state.plateau = text_at("plateau");
  state.monitor = text_at("monitor");
  state.patience = {number_at(json, "patience_best"), count_at(json, "patience_bad_epochs")};
  state.best_score = number_at(json, "best_score");
  state.best_epoch = count_at(json, "best_epoch");
  state.random = texts_at(json, "random");
  for (const Json& rate : list_at(json, "lr")) state.lr.push_back(to_number("lr", rate));
  for (const Json& report : list_at(json, "history")) state.history.push_back(to_report(report));
  if (state.epoch < 1 || state.batch > state.batches)
    fail_state("expected an epoch >= 1 and a batch inside it");
  return state;
}

namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "unroll checkpoint 1";
template <class S>
constexpr const char* kScalar = sizeof(S) == 4 ? "F32" : "F64";

template <class S>
void move_tensors(TensorMap<S>& to, const char* prefix, TensorMap<S>&& from) {
  for (auto& [name, tensor] : from) to.emplace(fmt::format("{}.{}", prefix, name), std::move(tensor));
}

const std::string& text_of(const std::string& path, const std::map<std::string, std::string>& metadata,
                           const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) {
    throw FileError(fmt::format(
        "[load_checkpoint] {}: expected '{}' in a checkpoint's metadata, got none (a file of weights alone?)",
        escaped(path, 200), key));
  }
  return found->second;
}

}  // namespace

template <class S>
void save_checkpoint(const std::string& path, Checkpoint<S> checkpoint) {
  remove_unfinished(path);
  StateDict<S> file;
  file.metadata = {{"format", kFormat},
                   {"scalar", kScalar<S>},
                   {"optimizer", checkpoint.optimizer_name},
                   {"state", checkpoint.state.to_text()}};
  move_tensors(file.tensors, "model", std::move(checkpoint.model));
  move_tensors(file.tensors, "optimizer", std::move(checkpoint.optimizer));
  move_tensors(file.tensors, "best", std::move(checkpoint.best));
  move_tensors(file.tensors, "carried", std::move(checkpoint.carried));
  save_tensors(path, file);
}

template <class S>
Checkpoint<S> load_checkpoint(const std::string& path) {
  Checkpoint<S> checkpoint;
  StateDict<S> file = [&] {
    try {
      return load_tensors<S>(path);
    } catch (const FileError& error) {
      throw FileError(fmt::format("[load_checkpoint] {}", error.what()));
    }
  }();
  const auto want = [&](const char* key, const std::string& value) {
    const std::string& got = text_of(path, file.metadata, key);
    if (got == value) return;
    throw FileError(fmt::format("[load_checkpoint] {}: '{}': expected '{}', got {}", escaped(path, 200), key,
                                value, unroll::quoted(got)));
  };
  want("format", kFormat);
  want("scalar", kScalar<S>);
  checkpoint.optimizer_name = text_of(path, file.metadata, "optimizer");
  try {
    checkpoint.state = TrainState::from_text(text_of(path, file.metadata, "state"));
  } catch (const ArgumentError& error) {
    throw FileError(fmt::format("[load_checkpoint] {}: {}", escaped(path, 200), error.what()));
  }
  const std::pair<std::string_view, TensorMap<S>*> parts[] = {{"model.", &checkpoint.model},
                                                              {"optimizer.", &checkpoint.optimizer},
                                                              {"best.", &checkpoint.best},
                                                              {"carried.", &checkpoint.carried}};
  for (auto& [name, tensor] : file.tensors) {
    bool known = false;
    for (const auto& [prefix, part] : parts) {
      if (known || !name.starts_with(prefix)) continue;
      part->emplace(name.substr(prefix.size()), std::move(tensor));
      known = true;
    }
    if (!known)
      throw FileError(fmt::format("[load_checkpoint] {}: expected a checkpoint's tensors, got {}",
                                  escaped(path, 200), unroll::quoted(name)));
  }
  return checkpoint;
}

bool checkpoint_exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

#define UNROLL_INSTANTIATE(S)                                       \
  template void save_checkpoint(const std::string&, Checkpoint<S>); \
  template Checkpoint<S> load_checkpoint(const std::string&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
