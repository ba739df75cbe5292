#include "published.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "seeds/numpy_text.hpp"

namespace unroll::oracle {
namespace {

// Lines joined into entries: an array continues until its brackets are closed.
std::vector<std::string> entries_of(const std::vector<std::string>& lines) {
  std::vector<std::string> entries;
  int open = 0;
  for (const std::string& line : lines) {
    if (open > 0) {
      entries.back() += "\n" + line;
    } else {
      entries.push_back(line);
    }
    for (char c : line) open += c == '[' ? 1 : c == ']' ? -1 : 0;
  }
  return entries;
}

// A notebook's blank lines are not kept in the file.
std::string without_blank_lines(std::string text) {
  for (std::size_t at = text.find("\n\n"); at != std::string::npos; at = text.find("\n\n", at))
    text.erase(at, 1);
  return text;
}

std::string_view trim_left(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Row `index` along the first axis.
Tensor<double> row(const Tensor<double>& tensor, std::size_t index) {
  if (tensor.dimension() == 0 || index >= tensor.shape()[0])
    throw FixtureError("a printed index is out of range");
  const Shape shape(tensor.shape().begin() + 1, tensor.shape().end());
  const std::size_t size = element_count(shape);
  Tensor<double> result(shape);
  std::copy_n(tensor.data() + index * size, size, result.data());
  return result;
}

std::string compare_value(const std::string& entry, std::string_view rest, Tensor<double> value) {
  while (!rest.empty() && rest.front() == '[') {
    // An index, unless this is the array's own text.
    const std::size_t close = rest.find_first_not_of("0123456789", 1);
    if (close == 1 || close == std::string_view::npos || rest[close] != ']') break;
    value = row(value, static_cast<std::size_t>(std::atoi(rest.data() + 1)));
    rest.remove_prefix(close + 1);
  }
  const bool shape = take(rest, ".shape") || take(rest, " shape:");
  rest = trim_left(rest);
  if (take(rest, "=")) rest = trim_left(rest);
  if (!shape && value.dimension() == 0) {
    char* end = nullptr;
    const double want = std::strtod(rest.data(), &end);
    const double got = value.data()[0];
    if (end != rest.data() && std::abs(got - want) <= 1e-13 * std::abs(want)) return "";
    return fmt::format("published \"{}\", got {:.17g}", entry, got);
  }
  const std::string got =
      shape ? seeds::numpy_shape_text(value.shape()) : without_blank_lines(seeds::numpy_text(value));
  if (got == rest) return "";
  return fmt::format("published \"{}\", got \"{}\"", entry, got);
}

}  // namespace

void compare_published(const std::vector<std::string>& lines, const Printed& labels,
                       const std::vector<Tensor<double>>& bare,
                       const std::function<void(std::string)>& fail) {
  std::size_t next_bare = 0;
  for (const std::string& entry : entries_of(lines)) {
    if (entry.starts_with("[")) {
      if (next_bare == bare.size()) {
        fail(fmt::format("published \"{}\" is not known to this program", entry));
      } else if (const std::string got = without_blank_lines(seeds::numpy_text(bare[next_bare++]));
                 got != entry) {
        fail(fmt::format("published \"{}\", got \"{}\"", entry, got));
      }
      continue;
    }
    const Printed::value_type* best = nullptr;
    for (const auto& candidate : labels) {
      if (entry.starts_with(candidate.first) &&
          (best == nullptr || candidate.first.size() > best->first.size())) {
        best = &candidate;
      }
    }
    if (best == nullptr) {
      fail(fmt::format("published \"{}\" is not known to this program", entry));
      continue;
    }
    const std::string_view rest = std::string_view(entry).substr(best->first.size());
    if (const auto* text = std::get_if<std::string>(&best->second)) {
      if (rest != *text) fail(fmt::format("published \"{}\", got \"{}{}\"", entry, best->first, *text));
    } else if (const std::string reason = compare_value(entry, rest, std::get<Tensor<double>>(best->second));
               !reason.empty()) {
      fail(reason);
    }
  }
}

}  // namespace unroll::oracle
