// All of Unroll.
#pragma once

#include "framework/framework.hpp"
#include "layers/layers.hpp"
#include "optim/optim.hpp"
