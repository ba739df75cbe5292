// A model's parameters by name, models on disk, and PyTorch's two biases.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/serialization.hpp"
#include "framework/tensor_file.hpp"
#include "layers/module.hpp"
#include "training/models/metadata.hpp"

namespace unroll {

struct LoadOptions {
  // Refuse missing and unexpected tensors; otherwise only report them.
  bool strict = true;
  // nearest: read float64 into a float model, rounded.
  Rounding rounding = Rounding::refuse;
  bool finite = false;  // refuse NaN and infinity
  // Use only tensors called "prefix.name", as "name"; "": all.
  std::string prefix = {};
  // The name in the model of a tensor (without the prefix); "": the tensor is left out.
  std::function<std::string(const std::string&)> rename = {};
};

struct LoadReport {
  std::vector<std::string> missing;     // parameters that nothing was loaded into
  std::vector<std::string> unexpected;  // tensors without a parameter, by their names in the file
  Metadata metadata;                    // of the file
};

namespace detail {

// Checks and reads everything before it changes a parameter; changes none if it throws.
template <class S>
LoadReport load_parameters(const std::vector<NamedParameter<S>>& parameters, TensorFile& file,
                           const LoadOptions& options);
// Tensors in memory as a file, whose errors are ArgumentErrors that name the function.
template <class S>
std::unique_ptr<TensorFile> as_file(const TensorMap<S>& tensors, std::string function);
void check_format(const std::string& path, const std::string& function);
template <class S>
void save_state(const std::string& path, const StateDict<S>& state);

}  // namespace detail

// Copies of the parameters by their dotted names, as in PyTorch; with a prefix, "prefix.name". Shared
// parameters appear under each of their names.
template <Module M>
TensorMap<scalar_t<M>> state_dict(const M& model, const std::string& prefix = "") {
  TensorMap<scalar_t<M>> tensors;
  for (const auto& [name, var] : named_parameters(model, prefix)) tensors[name] = var.value();
  return tensors;
}

// Copies tensors into the model's parameters: F32 and F64, from files also F16 and BF16, into float and
// double; F64 into float only with Rounding::nearest. One error, ArgumentError or for a file FileError, lists
// missing, unexpected, misshapen and wrongly typed tensors. After any exception the model is unchanged.
// Shared parameters need one of their names; under several their values must be equal.
template <Module M, class T>
LoadReport load_state_dict(M& model, const TensorMap<T>& tensors, const LoadOptions& options = {}) {
  const auto file = detail::as_file(tensors, "load_state_dict");
  return detail::load_parameters(named_parameters(model), *file, options);
}
template <Module M>
LoadReport load_state_dict(M& model, TensorFile& file, const LoadOptions& options = {}) {
  return detail::load_parameters(named_parameters(model), file, options);
}

// Writes parameters and metadata into one file, .safetensors or .npz by its ending, and replaces an old file
// atomically. Throws ArgumentError for another ending, FileError when the file cannot be written.
template <Module M>
void save_model(const std::string& path, const M& model, const Metadata& metadata = {}) {
  detail::check_format(path, "save_model");
  detail::save_state(path, StateDict<scalar_t<M>>{state_dict(model), metadata.all()});
}

// Opens a file of tensors, .safetensors or .npz by its ending.
std::unique_ptr<TensorFile> open_tensors(const std::string& path,
                                         const std::string& function = "open_tensors");

// load_state_dict from a file of this name.
template <Module M>
LoadReport load_model(const std::string& path, M& model, const LoadOptions& options = {}) {
  const auto file = open_tensors(path, "load_model");
  return detail::load_parameters(named_parameters(model), *file, options);
}

// The metadata alone, for building a model of the right sizes first. Throws FileError as load_model.
Metadata load_metadata(const std::string& path);

// Throws FileError unless a file of this name can be created or replaced: call it before a long training.
// Changes nothing.
void require_writable(const std::string& path);

// PyTorch's recurrent layers always have two bias vectors, bias_ih_l0 and bias_hh_l0; a layer with
// Bias::single has only bias_ih_l0. These convert all recurrent layers, found by the names "..bias_hh_l0",
// "..bias_hh_l1_reverse" ..

// For a model with Bias::single: replaces each pair by its sum, as bias_ih. In a GRU (three blocks of rows in
// weight_hh) the candidate's b_hn is inside the product with r and cannot be added to b_in: throws
// ArgumentError unless it is zero, and for an incomplete pair or different shapes. The tensors are unchanged
// then.
template <class S>
void join_recurrent_biases(TensorMap<S>& tensors);

// For PyTorch: adds a bias_hh of zeros to every bias_ih without one. The layer computes the same.
template <class S>
void split_recurrent_biases(TensorMap<S>& tensors);

}  // namespace unroll
