// A model's parameters by name, and models on disk.
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
  // Every parameter of the model is there and nothing else. Without it, both are reported instead.
  bool strict = true;
  // nearest: float64 may be read into a float model, and each weight takes the nearest float.
  Rounding rounding = Rounding::refuse;
  bool finite = false;  // refuse NaN and infinity
  // Only tensors called "prefix.name" take part, as "name"; none: all, as they are called.
  std::string prefix = {};
  // What a tensor of that name (without the prefix) is called in the model; "": nothing, it is left out.
  std::function<std::string(const std::string&)> rename = {};
};

struct LoadReport {
  std::vector<std::string> missing;     // parameters that nothing was loaded into
  std::vector<std::string> unexpected;  // tensors that the model has no parameter for, as the file calls them
  Metadata metadata;                    // of the file
};

namespace detail {

// Checks everything, reads everything, then changes all parameters or, after an exception, none.
template <class S>
LoadReport load_parameters(const std::vector<NamedParameter<S>>& parameters, TensorFile& file,
                           const LoadOptions& options);
// Tensors in memory as a file; function is what error messages name, and they are ArgumentErrors.
template <class S>
std::unique_ptr<TensorFile> as_file(const TensorMap<S>& tensors, std::string function);
void check_format(const std::string& path, const std::string& function);
template <class S>
void save_state(const std::string& path, const StateDict<S>& state);

}  // namespace detail

// Copies of the parameters by their dotted names, as PyTorch's state_dict has them; with a prefix they are
// called "prefix.name". Parameters that share one value are there under each of their names.
template <Module M>
TensorMap<scalar_t<M>> state_dict(const M& model, const std::string& prefix = "") {
  TensorMap<scalar_t<M>> tensors;
  for (const auto& [name, var] : named_parameters(model, prefix)) tensors[name] = var.value();
  return tensors;
}

// Copies the tensors into the model's parameters: F32 and F64, F16 and BF16 where they come from a file, each
// into float and double, but F64 into float with Rounding::nearest only. Missing, unexpected, misshapen and
// wrongly typed tensors are all listed in one error; after it, or any other exception, the model is as it
// was. Parameters that share one value may be there under any of their names; under several they must be
// equal. Throws ArgumentError, with an open file FileError.
template <Module M, class T>
LoadReport load_state_dict(M& model, const TensorMap<T>& tensors, const LoadOptions& options = {}) {
  const auto file = detail::as_file(tensors, "load_state_dict");
  return detail::load_parameters(named_parameters(model), *file, options);
}
template <Module M>
LoadReport load_state_dict(M& model, TensorFile& file, const LoadOptions& options = {}) {
  return detail::load_parameters(named_parameters(model), file, options);
}

// Writes the model's parameters and the metadata into one file; its ending chooses the format: .safetensors
// or .npz. The file appears under its name only when it is complete. Throws ArgumentError for another ending,
// FileError when the file cannot be written.
template <Module M>
void save_model(const std::string& path, const M& model, const Metadata& metadata = {}) {
  detail::check_format(path, "save_model");
  detail::save_state(path, StateDict<scalar_t<M>>{state_dict(model), metadata.all()});
}

// Opens a file of tensors, of the format that its ending says: .safetensors or .npz.
std::unique_ptr<TensorFile> open_tensors(const std::string& path,
                                         const std::string& function = "open_tensors");

// Fills the model from a file, which load_state_dict does once it is open.
template <Module M>
LoadReport load_model(const std::string& path, M& model, const LoadOptions& options = {}) {
  const auto file = open_tensors(path, "load_model");
  return detail::load_parameters(named_parameters(model), *file, options);
}

// The metadata alone: what sizes the model must have before it can be loaded. Throws FileError as load_model.
Metadata load_metadata(const std::string& path);

// Throws FileError unless a file of this name can be created or replaced, before a long training and not
// after it; a file that is there stays as it is.
void require_writable(const std::string& path);

// PyTorch's recurrent layers always have two bias vectors, bias_ih_l0 and bias_hh_l0; a layer with
// Bias::single has bias_ih_l0 alone. These change the tensors of all recurrent layers among them, told by
// their names "..bias_hh_l0", "..bias_hh_l1_reverse" ..

// For a model with Bias::single: bias_ih + bias_hh under the name of the first. In a GRU (three blocks of
// rows in weight_hh) the candidate's b_hn stands inside the product with r and cannot be added to b_in:
// throws ArgumentError unless it is zero, and for a pair that is not complete or not of one shape. The
// tensors are unchanged then.
template <class S>
void join_recurrent_biases(TensorMap<S>& tensors);

// For PyTorch: a bias_hh of zeros beside every bias_ih that has none. The layer computes what it did.
template <class S>
void split_recurrent_biases(TensorMap<S>& tensors);

}  // namespace unroll
