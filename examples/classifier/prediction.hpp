// --predict: a saved model classifies what it is given.
#pragma once

#include "examples/classifier/options.hpp"

namespace unroll::examples::classifier {

// Loads the model, prints "item<TAB>label<TAB>probability" for every item, and the accuracy when the table
// has labels. Throws FileError for a model file that does not fit, and for items that it cannot read.
int predict(const Options& options);

}  // namespace unroll::examples::classifier
