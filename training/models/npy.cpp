#include "training/models/npy.hpp"

#include <fmt/format.h>

#include "framework/atomic_file.hpp"
#include "framework/element_types.hpp"
#include "framework/input_file.hpp"
#include "training/models/npy_header.hpp"

namespace unroll {
namespace {

class NpyFile final : public TensorFile {
 public:
  NpyFile(const std::string& path, const std::string& function)
      : TensorFile(path, function), file_(path, function) {
    const std::string kind = file_.kind();
    if (!kind.empty() && kind != "a NumPy .npy file") fail(fmt::format("expected an npy file, got {}", kind));
    detail::NpyHeader header = detail::read_npy_header(
        {[this](void* to, std::size_t bytes) { next(to, bytes); }, [this](const auto& what) { fail(what); }});
    header_ = header.bytes;
    if (header.info.unreadable.empty() && file_.size() - header_ != header.elements) {
      fail(fmt::format("expected {} bytes after the header for {} {}, got {}{}", header.elements,
                       to_string(header.info.dtype), to_string(header.info.shape), file_.size() - header_,
                       file_.size() - header_ < header.elements ? " (truncated?)" : ""));
    }
    add(std::move(header.info));
  }

 private:
  void begin(std::size_t) override { at_ = header_; }
  void next(void* to, std::size_t bytes) override {
    file_.read(at_, to, bytes);
    at_ += bytes;
  }

  InputFile file_;
  std::uint64_t header_ = 0, at_ = 0;
};

}  // namespace

std::unique_ptr<TensorFile> open_npy(const std::string& path, const std::string& function) {
  return std::make_unique<NpyFile>(path, function);
}

template <class S>
Tensor<S> load_npy(const std::string& path, Rounding rounding) {
  return NpyFile(path, "load_npy").read<S>("", rounding);
}

template <class S>
void save_npy(const std::string& path, const Tensor<S>& tensor) {
  const std::string header = detail::npy_header(dtype_of<S>(), tensor.shape());
  AtomicFile file(path, "save_npy");
  file.write(header.data(), header.size());
  file.write(tensor.data(), tensor.size() * sizeof(S));
  file.commit();
}

#define UNROLL_INSTANTIATE(S)                                \
  template Tensor<S> load_npy(const std::string&, Rounding); \
  template void save_npy(const std::string&, const Tensor<S>&);
UNROLL_FOR_EACH_ELEMENT_TYPE(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
