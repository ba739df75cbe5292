// The training kit: data sets and readers, a trainer with logs, models in and out.
#pragma once

#include "training/data/batch.hpp"
#include "training/data/batch_source.hpp"
#include "training/data/batches.hpp"
#include "training/data/content_hash.hpp"
#include "training/data/idx.hpp"
#include "training/data/labels.hpp"
#include "training/data/one_hot.hpp"
#include "training/data/sequences.hpp"
#include "training/data/series_windows.hpp"
#include "training/data/split.hpp"
#include "training/data/standardizer.hpp"
#include "training/data/table.hpp"
#include "training/data/text.hpp"
#include "training/data/text_stream.hpp"
#include "training/data/vocabulary.hpp"
#include "training/logs/log.hpp"
