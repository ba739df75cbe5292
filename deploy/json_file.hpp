// JsonFile: a JSON file of another program, whose faults are collected. For .cpp files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::detail {

class JsonFile {
 public:
  using Json = nlohmann::json;

  // Reads and parses the file. Throws FileError, "[function] path: ...", for one that is no JSON object, is
  // larger than 16 MiB or nested deeper than eight lists.
  JsonFile(const std::string& path, const char* function);

  const Json& root() const noexcept { return root_; }

  // Notes a fault: "where: expected .., got ..".
  void expected(const std::string& where, const std::string& want, const std::string& got);
  // Returns a value for a message: shortened, and of lists and objects only their kind.
  static std::string shown(const Json& value);
  // Throws FileError with all faults, if there are any.
  void check() const;

  // Return a member of an object, and note a fault and return null or 0 for one that is missing or of another
  // kind. count: a whole number from 1 to `most`.
  const Json* member(const Json& object, const std::string& where, const char* name);
  std::size_t count(const Json& object, const std::string& where, const char* name, std::size_t most);
  // Returns the numbers of a list, or of a list of lists, that has this shape, one row after another.
  std::vector<double> numbers(const Json& list, const std::string& where, std::size_t rows,
                              std::size_t columns);
  std::vector<double> numbers(const Json& list, const std::string& where, std::size_t size);

 private:
  bool append_row(const Json& list, const std::string& where, std::size_t size, std::vector<double>& to);
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_, function_;
  Json root_;
  std::vector<std::string> faults_;
};

// Appends numbers, separated by commas, so that a reader gets the same bits; single: they are floats. Throws
// ArgumentError for one that a float does not hold.
void append_numbers(std::string& text, const char* function, const double* values, std::size_t count,
                    bool single);

// Writes the text to the file, as a whole or not at all.
void write_text(const std::string& path, const char* function, std::string_view text);

}  // namespace unroll::detail
