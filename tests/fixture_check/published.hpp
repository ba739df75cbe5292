// The text that a seed's notebook printed, against what is computed here.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "check.hpp"

namespace unroll::oracle {

// Compares every printed entry (a line with the lines that continue an array) with the value behind its
// label: "label[i][j] = text", "label.shape = (2, 3)", "label shape: (2, 3)". Reports each disagreement, and
// each entry whose label is not known.
void compare_published(const std::vector<std::string>& lines, const Printed& labels,
                       const std::vector<Tensor<double>>& bare, const std::function<void(std::string)>& fail);

}  // namespace unroll::oracle
