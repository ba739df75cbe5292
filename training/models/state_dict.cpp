#include "training/models/state_dict.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/file_kind.hpp"
#include "framework/input_file.hpp"
#include "framework/quoted.hpp"
#include "training/models/npz.hpp"

namespace unroll {
namespace {

enum class Format { safetensors, npz };

bool has_format(const std::string& path) { return path.ends_with(".safetensors") || path.ends_with(".npz"); }

Format format_of(const std::string& path, const std::string& function) {
  if (path.ends_with(".safetensors")) return Format::safetensors;
  if (path.ends_with(".npz")) return Format::npz;
  throw ArgumentError(fmt::format("[{}] {}: expected a name that ends in .safetensors or .npz, got another",
                                  function, escaped(path)));
}

// What a file is whose name has another ending, "" for none that is known.
std::string kind_of(const InputFile& file, const std::string& path) {
  const std::string kind = file.kind();
  if (kind == kSafetensorsKind) return kind + " (rename it)";
  if (!kind.empty()) return kind;
  std::string front(std::min<std::uint64_t>(file.size(), 4096), '\0');
  file.read(0, front.data(), front.size());
  if (path.ends_with(".index.json") || front.find("\"weight_map\"") != front.npos) {
    return "an index of shards (open_tensors reads each .safetensors file that it names)";
  }
  if (path.ends_with(".onnx")) return "an ONNX model, which is written and not read";
  return "";
}

template <class S>
class TensorsInMemory final : public TensorFile {
 public:
  TensorsInMemory(const TensorMap<S>& tensors, std::string function)
      : TensorFile("", function), function_(std::move(function)) {
    for (const auto& [name, tensor] : tensors) {
      add({name, dtype_of<S>(), tensor.shape()});
      elements_.push_back(tensor.data());
    }
  }
  [[noreturn]] void fail(const std::string& what) const override {
    throw ArgumentError(fmt::format("[{}] {}", function_, what));
  }

 private:
  void begin(std::size_t position) override { at_ = reinterpret_cast<const char*>(elements_[position]); }
  void next(void* to, std::size_t bytes) override {
    if (bytes == 0) return;
    std::memcpy(to, at_, bytes);
    at_ += bytes;
  }

  std::string function_;
  std::vector<const S*> elements_;
  const char* at_ = nullptr;
};

// What keeps a file from being a model's.
struct Problems {
  std::vector<std::string> missing, unexpected, misshapen, mistyped, others;

  bool empty() const {
    return missing.empty() && unexpected.empty() && misshapen.empty() && mistyped.empty() && others.empty();
  }
  std::string text() const {
    std::string result;
    const auto add = [&](const char* kind, const std::vector<std::string>& list) {
      // As many as a line or two hold.
      constexpr std::size_t kMost = 6;
      if (list.empty()) return;
      result += fmt::format(
          "\n  {}: {}", kind,
          fmt::join(list.begin(), list.begin() + static_cast<Index>(std::min(list.size(), kMost)), ", "));
      if (list.size() > kMost) result += fmt::format(" and {} more", list.size() - kMost);
    };
    add("missing", missing);
    add("unexpected", unexpected);
    add("misshapen", misshapen);
    add("wrongly typed", mistyped);
    add("besides", others);
    return result;
  }
};

std::string described(const TensorInfo& info) {
  if (!info.unreadable.empty()) return fmt::format("{} ({})", quoted(info.name), info.unreadable);
  return fmt::format("{} {} {}", quoted(info.name), to_string(info.dtype), to_string(info.shape));
}

// Tensors of a file by what the model calls them.
class Renamed {
 public:
  Renamed(const TensorFile& file, const LoadOptions& options, Problems& problems) : infos_(file.tensors()) {
    const std::string prefix = options.prefix.empty() ? "" : options.prefix + ".";
    for (const TensorInfo& info : infos_) {
      if (!info.name.starts_with(prefix)) continue;
      std::string name = info.name.substr(prefix.size());
      if (options.rename) name = options.rename(name);
      if (options.rename && name.empty()) continue;
      const auto [place, fresh] = by_name_.emplace(std::move(name), &info);
      if (!fresh) {
        problems.others.push_back(fmt::format("{} and {} are both renamed {}", quoted(place->second->name),
                                              quoted(info.name), quoted(place->first)));
      }
    }
  }
  const TensorInfo* find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }
  const std::map<std::string, const TensorInfo*>& all() const noexcept { return by_name_; }

 private:
  std::vector<TensorInfo> infos_;
  std::map<std::string, const TensorInfo*> by_name_;
};

template <class S>
void check_tensor(const std::string& name, const Var<S>& var, const TensorInfo& info, Rounding rounding,
                  Problems& problems) {
  const std::string shown =
      name == info.name ? quoted(name) : fmt::format("{} (there {})", quoted(name), quoted(info.name));
  if (info.unreadable.empty() && info.shape != var.shape()) {
    problems.misshapen.push_back(
        fmt::format("{}: expected {}, got {}", shown, to_string(var.shape()), to_string(info.shape)));
  }
  if (!info.unreadable.empty() || !is_float(info.dtype) || !readable_as<S>(info.dtype, rounding)) {
    problems.mistyped.push_back(
        fmt::format("{}: expected {}, got {}{}", shown, to_string(dtype_of<S>()), detail::type_of(info),
                    info.dtype == Dtype::f64 ? " (LoadOptions.rounding = Rounding::nearest reads it)" : ""));
  }
}

// Proposes "module" when most of the missing names, and more than are found without it, are there with
// "module." before them: what a wrapper of the model has added.
std::string prefix_hint(const Renamed& tensors, const std::vector<std::string>& missing, std::size_t found) {
  // How many of them each prefix would find: any of a name's words may be the prefix's last.
  const std::set<std::string_view> wanted(missing.begin(), missing.end());
  std::map<std::string_view, std::size_t> helps;
  for (const auto& [name, info] : tensors.all()) {
    const std::string_view whole = name;
    for (auto dot = whole.find('.'); dot != whole.npos; dot = whole.find('.', dot + 1)) {
      if (wanted.contains(whole.substr(dot + 1))) ++helps[whole.substr(0, dot)];
    }
  }
  const auto best = std::max_element(helps.begin(), helps.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (best == helps.end() || 2 * best->second < missing.size() || best->second <= found) return "";
  return fmt::format("\n  (LoadOptions.prefix = \"{}\" finds {} missing ones)", escaped(best->first, 60),
                     best->second == missing.size() ? "the" : "most of the");
}

}  // namespace

template <class S>
LoadReport detail::load_parameters(const std::vector<NamedParameter<S>>& parameters, TensorFile& file,
                                   const LoadOptions& options) {
  Problems problems;
  const Renamed tensors(file, options, problems);
  LoadReport report;
  report.metadata = Metadata(file.metadata(), file.path());

  // What goes where. A value with several names is there when one of them is.
  std::map<const void*, const TensorInfo*> filled;
  std::map<std::string, bool> known;
  for (const auto& [name, var] : parameters) {
    known[name] = true;
    if (const TensorInfo* info = tensors.find(name)) filled.emplace(var.get(), info);
  }
  for (const auto& [name, var] : parameters) {
    if (const TensorInfo* info = tensors.find(name)) {
      check_tensor(name, var, *info, options.rounding, problems);
    } else if (!filled.contains(var.get())) {
      report.missing.push_back(name);
      if (options.strict)
        problems.missing.push_back(fmt::format("{} {}", quoted(name), to_string(var.shape())));
    }
  }
  for (const auto& [name, info] : tensors.all()) {
    if (known.contains(name)) continue;
    report.unexpected.push_back(info->name);
    if (options.strict) problems.unexpected.push_back(described(*info));
  }
  if (!problems.empty()) {
    file.fail(fmt::format("expected {}, got{}{}",
                          options.strict ? fmt::format("exactly the model's {} tensors", parameters.size())
                                         : "tensors that fit the model's",
                          problems.text(),
                          prefix_hint(tensors, report.missing, parameters.size() - report.missing.size())));
  }

  // All of it is in memory before any of it counts.
  std::vector<Tensor<S>> values;
  std::vector<Var<S>> targets;
  std::map<const void*, std::size_t> first;  // where a value has got its tensor
  for (const auto& [name, var] : parameters) {
    const TensorInfo* info = tensors.find(name);
    if (info == nullptr) continue;
    Tensor<S> value = file.read<S>(info->name, options.rounding);
    const S* data = value.data();
    if (options.finite && !std::all_of(data, data + value.size(), [](S v) { return std::isfinite(v); })) {
      problems.others.push_back(fmt::format("{} holds NaN or infinity", quoted(info->name)));
    }
    const auto [place, fresh] = first.emplace(var.get(), values.size());
    if (!fresh) {
      const Tensor<S>& other = values[place->second];
      if (std::memcmp(other.data(), data, value.size() * sizeof(S)) != 0) {
        problems.others.push_back(
            fmt::format("{} shares its value with another name, whose tensor differs", quoted(info->name)));
      }
      continue;
    }
    values.push_back(std::move(value));
    targets.push_back(var);
  }
  if (!problems.empty())
    file.fail(fmt::format("expected tensors that fit the model, got{}", problems.text()));

  // Nothing can fail from here on but mutable_value(), which changes no element.
  std::vector<Tensor<S>*> elements;
  for (Var<S>& target : targets) elements.push_back(&target.mutable_value());
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::copy_n(values[i].data(), values[i].size(), elements[i]->data());
  }
  return report;
}

template <class S>
std::unique_ptr<TensorFile> detail::as_file(const TensorMap<S>& tensors, std::string function) {
  return std::make_unique<TensorsInMemory<S>>(tensors, std::move(function));
}

void detail::check_format(const std::string& path, const std::string& function) { format_of(path, function); }

template <class S>
void detail::save_state(const std::string& path, const StateDict<S>& state) {
  if (format_of(path, "save_model") == Format::safetensors) {
    save_tensors(path, state);
  } else {
    save_npz(path, state);
  }
}

std::unique_ptr<TensorFile> open_tensors(const std::string& path, const std::string& function) {
  if (std::error_code ignored; !has_format(path) && std::filesystem::is_regular_file(path, ignored)) {
    const InputFile file(path, function);
    if (const std::string kind = kind_of(file, path); !kind.empty()) {
      throw FileError(fmt::format("[{}] {}: expected a .safetensors or .npz file, got {}", function,
                                  escaped(path), kind));
    }
  }
  return format_of(path, function) == Format::safetensors ? open_safetensors(path, function)
                                                          : open_npz(path, {}, function);
}

Metadata load_metadata(const std::string& path) {
  return Metadata(open_tensors(path, "load_metadata")->metadata(), path);
}

void require_writable(const std::string& path) { AtomicFile(path, "require_writable"); }

template LoadReport detail::load_parameters(const std::vector<NamedParameter<float>>&, TensorFile&,
                                            const LoadOptions&);
template LoadReport detail::load_parameters(const std::vector<NamedParameter<double>>&, TensorFile&,
                                            const LoadOptions&);
template std::unique_ptr<TensorFile> detail::as_file(const TensorMap<float>&, std::string);
template std::unique_ptr<TensorFile> detail::as_file(const TensorMap<double>&, std::string);
template void detail::save_state(const std::string&, const StateDict<float>&);
template void detail::save_state(const std::string&, const StateDict<double>&);

namespace {

// The name with `part` in the place of "bias_hh", say, for "lstm.bias_hh_l0"; "" for other names.
std::string sibling(const std::string& name, const std::string& from, const std::string& part) {
  const auto dot = name.rfind('.');
  const std::size_t at = dot == std::string::npos ? 0 : dot + 1;
  if (name.compare(at, from.size() + 2, from + "_l") != 0) return "";
  return name.substr(0, at) + part + name.substr(at + from.size());
}

[[noreturn]] void fail_join(const std::string& what) {
  throw ArgumentError("[join_recurrent_biases] " + what);
}

}  // namespace

template <class S>
void join_recurrent_biases(TensorMap<S>& tensors) {
  TensorMap<S> sums;
  std::vector<std::string> gone;
  for (const auto& [name, hidden] : tensors) {
    const std::string partner = sibling(name, "bias_hh", "bias_ih");
    if (partner.empty()) continue;
    const auto input = tensors.find(partner), weight = tensors.find(sibling(name, "bias_hh", "weight_hh"));
    if (input == tensors.end() || weight == tensors.end()) {
      fail_join(fmt::format("{}: expected bias_ih and weight_hh next to it, got one alone", quoted(name)));
    }
    if (hidden.dimension() != 1 || input->second.shape() != hidden.shape() ||
        weight->second.dimension() != 2 || weight->second.shape()[0] != hidden.size()) {
      fail_join(fmt::format(
          "{}: expected the shape of bias_ih and as many elements as weight_hh has rows, got {}, {} and {}",
          quoted(name), to_string(hidden.shape()), to_string(input->second.shape()),
          to_string(weight->second.shape())));
    }
    const std::size_t columns = weight->second.shape()[1];
    if (hidden.size() == 3 * columns &&
        !std::all_of(hidden.data() + 2 * columns, hidden.data() + hidden.size(),
                     [](S v) { return v == S(0); })) {
      fail_join(
          fmt::format("{}: expected zeros for the candidate of a GRU, which r scales, got others (Bias::both "
                      "has a place for them)",
                      quoted(name)));
    }
    sums[partner] = input->second + hidden;
    gone.push_back(name);
  }
  for (auto& [name, sum] : sums) tensors[name] = std::move(sum);
  for (const std::string& name : gone) tensors.erase(name);
}

template <class S>
void split_recurrent_biases(TensorMap<S>& tensors) {
  TensorMap<S> added;
  for (const auto& [name, input] : tensors) {
    const std::string partner = sibling(name, "bias_ih", "bias_hh");
    if (!partner.empty() && !tensors.contains(partner)) added[partner] = zeros<S>(input.shape());
  }
  tensors.merge(added);
}

template void join_recurrent_biases(TensorMap<float>&);
template void join_recurrent_biases(TensorMap<double>&);
template void split_recurrent_biases(TensorMap<float>&);
template void split_recurrent_biases(TensorMap<double>&);

}  // namespace unroll
