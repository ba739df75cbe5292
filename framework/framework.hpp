// Tensors, tape, ops, random numbers, files and gradient checks.
#pragma once

#include "framework/anomaly.hpp"
#include "framework/build_info.hpp"
#include "framework/errors.hpp"
#include "framework/flatten.hpp"
#include "framework/gradcheck.hpp"
#include "framework/map.hpp"
#include "framework/memory_report.hpp"
#include "framework/multi_output.hpp"
#include "framework/numpy_random.hpp"
#include "framework/ops.hpp"
#include "framework/random.hpp"
#include "framework/record.hpp"
#include "framework/serialization.hpp"
#include "framework/simd.hpp"
#include "framework/tape.hpp"
#include "framework/threads.hpp"
