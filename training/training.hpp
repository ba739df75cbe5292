// The training kit: data sets and readers, a trainer with logs, models in and out.
#pragma once

#include "training/logs/console_log.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/jsonl_log.hpp"
#include "training/logs/log.hpp"
#include "training/logs/plot.hpp"
#include "training/logs/plot_log.hpp"
