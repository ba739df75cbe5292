#include "training/data/table_store.hpp"

#include <algorithm>

namespace unroll::detail {

void Positions::push_wide(std::size_t position) {
  if (wide_.empty()) {
    wide_.reserve(narrow_.capacity());
    wide_.assign(narrow_.begin(), narrow_.end());
    narrow_ = {};
  }
  wide_.push_back(position);
}

void TableStore::row_from(std::size_t row, std::size_t line, const std::string& file) {
  if (files.empty() || files.back() != file) {
    files.push_back(file);
  } else if (!origins.empty() && origins.back().line + row - origins.back().row == line) {
    return;
  }
  origins.push_back({row, line, files.size() - 1});
}

const TableStore::Origin& TableStore::origin(std::size_t row) const noexcept {
  const auto behind = std::upper_bound(origins.begin(), origins.end(), row,
                                       [](std::size_t r, const Origin& o) { return r < o.row; });
  return *(behind - 1);
}

}  // namespace unroll::detail
