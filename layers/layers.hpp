// All layers and losses.
#pragma once

#include "layers/ctc.hpp"
#include "layers/dropout.hpp"
#include "layers/embedding.hpp"
#include "layers/gru.hpp"
#include "layers/layer_norm.hpp"
#include "layers/linear.hpp"
#include "layers/losses.hpp"
#include "layers/lstm.hpp"
#include "layers/masked.hpp"
#include "layers/module.hpp"
#include "layers/recurrent.hpp"
#include "layers/rnn.hpp"
#include "layers/sequential.hpp"
#include "layers/stream.hpp"
#include "layers/verify.hpp"
#include "layers/windows.hpp"
