// StepProgram: a layer of a stream that is a program, with numbers of its own for what it reads. Internal.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "framework/kernels/packed.hpp"
#include "framework/program/machine.hpp"
#include "layers/stream.hpp"

namespace unroll::detail {

template <class S>
struct StepProgram final : StreamProgram<S> {
  std::shared_ptr<const Program<S>> program;
  VarList<S> externals;
  std::vector<std::string> external_names;
  std::size_t result = 0;                 // the output's position among the states
  std::vector<std::string> outputs = {};  // the names of several, from `result` on
  std::shared_ptr<PackedWeights<S>> packed = std::make_shared<PackedWeights<S>>();

  std::unique_ptr<StreamProgramRun<S>> start(std::size_t batch, std::vector<S*> states) const override;
};

}  // namespace unroll::detail
