// export_c: a trained model as a C file, for devices without C++, an operating system or a heap.
#pragma once

#include <string>
#include <utility>

#include "layers/freeze.hpp"

namespace unroll {

struct COptions {
  std::string name = {};     // begins all names of the file; default: the file's name without ".c"
  bool int8 = false;         // weights of products and embeddings as bytes with one scale per row, else float
  std::string comment = {};  // begins the header: what x and y are
};

namespace detail {
template <class S>
void write_c(const StreamSource<S>& source, const std::string& file, const COptions& options);

template <class S, class... Model>
void export_c(const std::string& file, const COptions& options, const Model&... model) {
  write_c(source_of(StreamSource<S>{.layer = {"export_c"}, .kernels = false}, model...), file, options);
}
}  // namespace detail

// Writes file ("voice.c") and its header ("voice.h"): C99, which is C++, too, of the step that freeze() makes
// of the same model, for one sequence, in float:
//
//   voice_state state;             the caller's; nothing else is written to
//   voice_reset(&state);           the initial states
//   voice_step(&state, x, y);      x (VOICE_INPUTS) -> y (VOICE_OUTPUTS); several outputs one after another
//   voice_block(&state, n, x, y);  n steps
//   voice_selftest()               0 if some steps give the numbers that they gave here
//
// For an Embedding x is one int32_t per step; voice_step and voice_block return 0 and do nothing if an id is
// none, else 1. The file includes stddef.h and stdint.h alone and calls no function of a library. Throws
// ArgumentError for a name that is none in C and, by name, what C has no code for; FileError for the files.
template <class Cell>
void export_c(const Recurrent<Cell>& layer, const std::string& file, const COptions& options = {}) {
  detail::export_c<scalar_t<Cell>>(file, options, layer);
}
template <class Cell>
void export_c(const Recurrent<Cell>& layer, const Linear<scalar_t<Cell>>& head, const std::string& file,
              const COptions& options = {}) {
  detail::export_c<scalar_t<Cell>>(file, options, layer, head);
}
template <class Cell>
void export_c(const Embedding<scalar_t<Cell>>& embedding, const Recurrent<Cell>& layer,
              const Linear<scalar_t<Cell>>& head, const std::string& file, const COptions& options = {}) {
  detail::export_c<scalar_t<Cell>>(file, options, embedding, layer, head);
}
template <class First, class... Parts>
void export_c(const Sequential<First, Parts...>& model, const std::string& file,
              const COptions& options = {}) {
  detail::export_c<scalar_t<First>>(file, options, model);
}
template <class Model>
void export_c(const Model& model, Index input_size, const std::string& file, const COptions& options = {}) {
  detail::export_c<scalar_t<Model>>(file, options, model, input_size);
}

// Throws ArgumentError if export_c would refuse these names: call it before a long training.
void require_c_names(const std::string& file, const COptions& options = {});

}  // namespace unroll
