// Numbers and arrays as text of C. Internal.
//
// In all texts of a file, '@' stands for its name and '@@' for its name in capitals.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace unroll::detail {

// What the parts of one file share.
struct CParts {
  bool int8 = false;                     // how matrices are written
  std::set<std::string> functions = {};  // of c_functions(), that the parts call
  std::size_t weight_bytes = 0;          // that the parts' constants take
};

// Returns a float, which is not NaN, as C writes it.
std::string c_number(float value);
// Returns text as part of a name: letters, digits and '_'.
std::string c_name(const std::string& text);

[[noreturn]] void throw_too_large(const std::string& name, double value);

// Returns "static const float name[n] = {...};". Throws ArgumentError, with the name, for NaN.
std::string c_array(const std::string& name, const std::vector<float>& values, CParts& parts);

enum class COrder {
  rows,    // for look-ups
  blocks,  // for products: of kBlockRows rows column by column; the rows that are left, one by one
};
inline constexpr std::size_t kBlockRows = 32;
// Does the same for a matrix (rows, columns) of finite numbers; its elements are bytes, and name_scale has
// one scale per row, if as_bytes is set and makes it smaller.
std::string c_matrix(const std::string& name, const std::vector<float>& values, std::size_t rows,
                     COrder order, bool as_bytes, CParts& parts);
// Whether a matrix is written in bytes, if it may be: with one column the scales would be as large as the
// elements.
bool has_scales(std::size_t columns, bool as_bytes);
// Returns the matrix that c_matrix() writes.
std::vector<float> through_int8(std::vector<float> values, std::size_t rows);

// Returns a call of the function that adds W x to y, for a matrix W (n,k) of c_matrix(), in blocks.
std::string c_multiply(std::size_t n, std::size_t k, const std::string& w, const std::string& x,
                       const std::string& y, bool as_bytes, CParts& parts);

// Returns the text of these functions and of those that they call.
std::string c_functions(const std::set<std::string>& names);

}  // namespace unroll::detail
