// The training kit: data sets and readers, a trainer with logs, models in and out.
#pragma once

#include "training/data/batch_source.hpp"
#include "training/logs/log.hpp"
