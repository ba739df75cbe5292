// TableStore: the fields of a table's rows, and where they are from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::detail {

// Positions in a text: of 4 bytes each as long as they fit, since there is one for every field.
class Positions {
 public:
  std::size_t size() const noexcept { return wide_.empty() ? narrow_.size() : wide_.size(); }
  std::size_t operator[](std::size_t i) const noexcept { return wide_.empty() ? narrow_[i] : wide_[i]; }
  void push(std::size_t position) {
    if (wide_.empty() && position <= UINT32_MAX) {
      narrow_.push_back(static_cast<std::uint32_t>(position));
    } else {
      push_wide(position);
    }
  }
  void reserve(std::size_t count) { narrow_.reserve(count); }
  void clear() noexcept {
    narrow_.clear();
    wide_.clear();
  }

 private:
  void push_wide(std::size_t position);

  std::vector<std::uint32_t> narrow_;
  std::vector<std::size_t> wide_;  // in place of narrow_
};

// Rows of equally many fields, end to end, row by row.
struct TableStore {
  // From this row on every row is one line behind the one before, in this file.
  struct Origin {
    std::size_t row, line, file;
  };

  std::size_t columns = 0;
  std::string text;
  Positions ends;  // of the fields in text
  std::vector<std::string> files;
  std::vector<Origin> origins;

  std::size_t rows() const noexcept { return columns == 0 ? 0 : ends.size() / columns; }
  std::string_view field(std::size_t row, std::size_t column) const noexcept {
    const std::size_t i = row * columns + column, begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(text).substr(begin, ends[i] - begin);
  }
  std::size_t line(std::size_t row) const noexcept { return origin(row).line + row - origin(row).row; }
  const std::string& file(std::size_t row) const noexcept { return files[origin(row).file]; }

  void add(std::string_view field) {
    text += field;
    ends.push(text.size());
  }
  // Says where a row is from, which is the last or the next one.
  void row_from(std::size_t row, std::size_t line, const std::string& file);

 private:
  const Origin& origin(std::size_t row) const noexcept;
};

}  // namespace unroll::detail
