// A JSON file of RTNeural as numbers, without layers. Internal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace unroll::detail {

// A layer as the file has it. Matrices by rows of the input: lstm kernel (I,4H), recurrent kernel (H,4H),
// bias (4H), gates i f c o; gru (I,3H), (H,3H), (2,3H), gates z r h; dense (I,O), (O),
// the latter only with a bias.
struct RtNeuralLayer {
  std::string type;        // lstm, gru, dense or activation
  std::string activation;  // behind it; "": none
  std::size_t input = 0, output = 0;
  std::vector<std::vector<double>> weights = {};
};
std::vector<RtNeuralLayer> read_rtneural(const std::string& path, const char* function);
std::string rtneural_text(const std::vector<RtNeuralLayer>& layers, bool single);

}  // namespace unroll::detail
