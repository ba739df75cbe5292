// All layers and losses.
#pragma once

#include "layers/dropout.hpp"
#include "layers/embedding.hpp"
#include "layers/freeze.hpp"
#include "layers/gru.hpp"
#include "layers/layer_norm.hpp"
#include "layers/linear.hpp"
#include "layers/losses.hpp"
#include "layers/lstm.hpp"
#include "layers/mgu.hpp"
#include "layers/module.hpp"
#include "layers/recurrent.hpp"
#include "layers/rnn.hpp"
#include "layers/sequential.hpp"
#include "layers/stream.hpp"
#include "layers/truncated_bptt.hpp"
#include "layers/verify.hpp"
