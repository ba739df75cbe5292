// The systems that fixture_check knows.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "check.hpp"

namespace unroll::oracle {

// Reads the options of a file and runs every path that computes its system.
using Handler = std::function<void(Fixture&, Check&)>;
using Registry = std::map<std::string, Handler>;

// Each family adds its systems.
void add_recurrent_systems(Registry& registry);  // nn_*: layers in PyTorch's layout
void add_gallery_systems(Registry& registry);    // cell_*: the cells of examples/gallery
void add_column_systems(Registry& registry);     // seeds 001 and 004
void add_row_systems(Registry& registry);        // seeds 000 (LSTM), 002 and 003
void add_scalar_system(Registry& registry);      // seed 000, scalar RNN
void add_gru_system(Registry& registry);         // seed 000, GRU
void add_random_systems(Registry& registry);
void add_optimizer_systems(Registry& registry);
void add_loss_systems(Registry& registry);
void add_schedule_systems(Registry& registry);

}  // namespace unroll::oracle
