// Optimizers, gradient clipping and learning-rate schedules.
#pragma once

#include "optim/adadelta.hpp"
#include "optim/adagrad.hpp"
#include "optim/adam.hpp"
#include "optim/adamw.hpp"
#include "optim/clip.hpp"
#include "optim/nadam.hpp"
#include "optim/optimizer.hpp"
#include "optim/options.hpp"
#include "optim/parameter_group.hpp"
#include "optim/rmsprop.hpp"
#include "optim/schedules.hpp"
#include "optim/sgd.hpp"
