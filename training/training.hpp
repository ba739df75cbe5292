// The training kit: data sets and readers, a trainer with logs, models in and out.
#pragma once

#include "training/logs/log.hpp"
#include "training/models/npy.hpp"
#include "training/models/npz.hpp"
#include "training/models/recurrent_biases.hpp"
#include "training/models/state_dict.hpp"
