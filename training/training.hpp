// The training kit: data sets and readers, a trainer with logs, models in and out.
#pragma once

#include "training/carried_states.hpp"
#include "training/checkpoint.hpp"
#include "training/confusion_matrix.hpp"
#include "training/data/batch_source.hpp"
#include "training/early_stopping.hpp"
#include "training/interrupt.hpp"
#include "training/logs/log.hpp"
#include "training/metrics.hpp"
#include "training/progress.hpp"
#include "training/scored.hpp"
#include "training/train_options.hpp"
#include "training/trainer.hpp"
