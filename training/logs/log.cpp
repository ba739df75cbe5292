#include "training/logs/log.hpp"
