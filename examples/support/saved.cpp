#include "examples/support/saved.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/models/state_dict.hpp"

namespace unroll::examples {

void require_tensors(const std::string& file, const std::vector<WantedTensor>& wanted) {
  const auto tensors = open_tensors(file);
  for (const auto& [name, sizes] : wanted) {
    const Shape want(sizes.begin(), sizes.end());
    if (!tensors->contains(name))
      throw FileError(fmt::format("{}: missing: '{}' {}", escaped(file), name, to_string(want)));
    const Shape& got = tensors->info(name).shape;
    if (got != want) {
      throw FileError(fmt::format("{}: misshapen: '{}': expected {}, got {} (by the sizes in its metadata)",
                                  escaped(file), name, to_string(want), to_string(got)));
    }
  }
}

}  // namespace unroll::examples
