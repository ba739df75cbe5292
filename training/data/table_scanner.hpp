// Delimiter-separated text cut into rows and fields: the one CSV reader, of tables and of logs. For .cpp
// files.
#pragma once

#include <algorithm>
#include <array>
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
  // Apart from push(), which is inlined: a table has millions of fields.
  [[gnu::noinline]] void push_wide(std::size_t position) {
    if (wide_.empty()) {
      wide_.reserve(narrow_.capacity());
      wide_.assign(narrow_.begin(), narrow_.end());
      narrow_ = {};
    }
    wide_.push_back(position);
  }

  std::vector<std::uint32_t> narrow_;
  std::vector<std::size_t> wide_;  // in place of narrow_
};

// Rows of equally many fields, end to end, row by row.
struct FieldStore {
  std::size_t columns = 0;
  std::string text;
  Positions ends;  // of the fields in text

  std::size_t rows() const noexcept { return columns == 0 ? 0 : ends.size() / columns; }
  std::string_view field(std::size_t row, std::size_t column) const noexcept {
    const std::size_t i = row * columns + column, begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(text).substr(begin, ends[i] - begin);
  }
  void add(std::string_view field) {
    text += field;
    ends.push(text.size());
  }
};

// The rows of a table, which know where they are from.
struct TableStore : FieldStore {
  // From this row on every row is one line behind the one before, in this file.
  struct Origin {
    std::size_t row, line, file;
  };
  std::vector<std::string> files;
  std::vector<Origin> origins;

  std::size_t line(std::size_t row) const noexcept { return origin(row).line + row - origin(row).row; }
  const std::string& file(std::size_t row) const noexcept { return files[origin(row).file]; }
  // Says where a row is from, which is the last or the next one.
  void row_from(std::size_t row, std::size_t line, const std::string& file) {
    if (files.empty() || files.back() != file) {
      files.push_back(file);
    } else if (!origins.empty() && origins.back().line + row - origins.back().row == line) {
      return;
    }
    origins.push_back({row, line, files.size() - 1});
  }

 private:
  const Origin& origin(std::size_t row) const noexcept {
    const auto behind = std::upper_bound(origins.begin(), origins.end(), row,
                                         [](std::size_t r, const Origin& o) { return r < o.row; });
    return *(behind - 1);
  }
};

// Why a text is no table.
struct ScanError {
  std::size_t line;  // from 1
  const char* message;
  bool at_end = false;  // for what may be the first part of a table
};

// Reads rows one after the other into a store whose text is the file: what has been read of it makes room for
// the fields. A field may be quoted ("a ""b"", c"); a line ends in "\n" or "\r\n"; lines of nothing or of
// spaces alone are skipped, and so is a byte order mark. Throws ScanError.
class TableScanner {
 public:
  TableScanner(FieldStore& store, char delimiter)
      : text_(store.text), ends_(store.ends), delimiter_(delimiter) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
    for (const char c : {delimiter, '\n', '\r', '"'}) stops_[static_cast<unsigned char>(c)] = true;
  }

  // Reads the next row that is not blank; false at the end.
  bool next_row() {
    while (skip_blank_line()) continue;
    if (done()) return false;
    row_line_ = line_;
    begin_ = at_;
    const std::size_t before = ends_.size();
    do {
      next_field();
      ends_.push(to_);
    } while (skip(delimiter_));
    if (!end_of_line())
      throw ScanError{line_, "expected a delimiter or the end of the line after a quoted field, got more"};
    fields_ = ends_.size() - before;
    return true;
  }
  std::size_t line() const noexcept { return row_line_; }  // of that row
  std::size_t fields() const noexcept { return fields_; }  // in it
  // Where it stood in the text before it was read, with the end of its line.
  std::size_t begin() const noexcept { return begin_; }
  std::size_t end() const noexcept { return at_; }
  // Whether all fields so far were quoted.
  bool all_quoted() const noexcept { return quoted_ == ends_.size(); }
  std::size_t used() const noexcept { return to_; }  // by the fields so far
  // Forgets the fields so far.
  void drop_fields() {
    ends_.clear();
    to_ = 0;
  }

 private:
  bool done() const noexcept { return at_ == text_.size(); }

  bool skip(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool end_of_line() {
    if (done()) return true;
    if (is_windows_end(at_)) ++at_;
    if (!skip('\n')) return false;
    ++line_;
    return true;
  }

  bool is_windows_end(std::size_t at) const {
    return text_[at] == '\r' && at + 1 < text_.size() && text_[at + 1] == '\n';
  }

  bool skip_blank_line() {
    std::size_t end = at_;
    while (end < text_.size() && (text_[end] == ' ' || text_[end] == '\t') && text_[end] != delimiter_) ++end;
    if (end < text_.size() && text_[end] != '\n' && !is_windows_end(end)) return false;
    if (done()) return false;
    at_ = end;
    return end_of_line();
  }

  void next_field() {
    if (skip('"')) return quoted_field();
    for (; !done(); ++at_) {
      const char c = text_[at_];
      if (stops_[static_cast<unsigned char>(c)]) {
        if (c == delimiter_ || c == '\n' || is_windows_end(at_)) return;
        if (c == '"') throw ScanError{line_, "expected quotes around a whole field, got one inside"};
      }
      text_[to_++] = c;
    }
  }

  void quoted_field() {
    ++quoted_;
    const std::size_t begin_line = line_;
    while (!done()) {
      if (skip('"')) {
        if (!skip('"')) return;
        text_[to_++] = '"';
        continue;
      }
      if (text_[at_] == '\n') ++line_;
      text_[to_++] = text_[at_++];
    }
    throw ScanError{begin_line, "expected a closing quote, got the end of the file", true};
  }

  std::string& text_;
  Positions& ends_;
  const char delimiter_;
  std::array<bool, 256> stops_{};
  std::size_t at_ = 0, to_ = 0;  // what is read next, and where it goes
  std::size_t line_ = 1, row_line_ = 1, begin_ = 0, fields_ = 0;
  std::size_t quoted_ = 0;  // fields
};

// Adds the field in quotes, as a scanner reads it.
inline void append_quoted(std::string& text, std::string_view field) {
  text += '"';
  for (const char c : field) text.append(c == '"' ? 2 : 1, c);
  text += '"';
}

}  // namespace unroll::detail
