// What the classifier prints.
#pragma once

#include <string>

#include "examples/classifier/training.hpp"

namespace unroll::examples::classifier {

// "12,000 train, 2,000 valid and 2,000 test rows; 4 classes: en, es, nl, pl" and how a row is read.
std::string describe(const Dataset& data);
std::string describe(const EpochResult& result, Index epochs);
// Rows: the true class, columns: the predicted one, with the share of each row and column that is right.
std::string confusion_table(const Evaluation& evaluation, const std::vector<std::string>& labels);

}  // namespace unroll::examples::classifier
