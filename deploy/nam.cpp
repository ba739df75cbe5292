#include "deploy/nam.hpp"

#include <fmt/format.h>

#include <utility>

#include "deploy/json_file.hpp"
#include "deploy/plain_layer.hpp"
#include "framework/errors.hpp"

namespace unroll {
namespace {

// Takes a file's numbers one after another.
template <class S>
class Taken {
 public:
  explicit Taken(const std::vector<double>& values) : next_(values.data()) {}
  S one() { return static_cast<S>(*next_++); }
  void fill(Var<S>& parameter) {
    for (S& element : parameter.mutable_value().storage()) element = one();
  }

 private:
  const double* next_;
};

template <class S>
void append(std::vector<double>& list, const Var<S>& parameter, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) list.push_back(detail::element(parameter, i));
}

}  // namespace

template <class S>
NamModel<S> load_nam(const std::string& path) {
  const detail::NamFile file = detail::read_nam(path, "load_nam");
  Rng rng(0);
  const auto size = [](std::size_t n) { return static_cast<Index>(n); };
  NamModel<S> model(file.info,
                    Lstm<S>({.input = size(file.input), .hidden = size(file.hidden), .bias = Bias::single},
                            {.layers = size(file.layers), .learn_initial_states = true}, rng),
                    Linear<S>(size(file.hidden), size(file.output), rng));
  Taken<S> taken(file.weights);
  for (std::size_t l = 0; l < file.layers; ++l) {
    LstmCell<S>& cell = model.lstm.cells()[l];
    const std::size_t I = cell.weight_ih.shape(1), H = file.hidden;
    S *ih = cell.weight_ih.mutable_value().data(), *hh = cell.weight_hh.mutable_value().data();
    for (std::size_t row = 0; row < 4 * H; ++row) {
      for (std::size_t i = 0; i < I; ++i) *ih++ = taken.one();
      for (std::size_t i = 0; i < H; ++i) *hh++ = taken.one();
    }
    taken.fill(cell.bias_ih);
    LstmState<S> initial = model.lstm.learned_states()[l];
    taken.fill(initial.h);
    taken.fill(initial.c);
  }
  taken.fill(model.head.weight);
  taken.fill(model.head.bias);
  return model;
}

template <class S>
void save_nam(const std::string& path, const Lstm<S>& lstm, const Linear<S>& head, const NamInfo& info) {
  detail::require_plain("save_nam", lstm);
  detail::NamFile file{.info = info,
                       .input = lstm.input_size(),
                       .hidden = lstm.output_size(),
                       .layers = lstm.cells().size(),
                       .output = head.weight.defined() ? head.weight.shape(0) : 0};
  const std::size_t H = file.hidden;
  if (!head.weight.defined() || head.weight.shape(1) != H) {
    throw ShapeError(
        fmt::format("[save_nam] head: expected a weight (O,{}), got {}", H,
                    head.weight.defined() ? to_string(head.weight.shape()) : std::string("an empty one")));
  }
  std::vector<double>& list = file.weights;
  for (std::size_t l = 0; l < file.layers; ++l) {
    const LstmCell<S>& cell = lstm.cells()[l];
    if (cell.weight_hh.shape(1) != H) {
      throw ArgumentError(fmt::format("[save_nam] Lstm: expected layers of one width, got {} and {}", H,
                                      cell.weight_hh.shape(1)));
    }
    const std::size_t I = cell.weight_ih.shape(1);
    for (std::size_t row = 0; row < 4 * H; ++row) {
      for (std::size_t i = 0; i < I; ++i) list.push_back(detail::element(cell.weight_ih, row * I + i));
      for (std::size_t i = 0; i < H; ++i) list.push_back(detail::element(cell.weight_hh, row * H + i));
    }
    for (std::size_t row = 0; row < 4 * H; ++row)
      list.push_back(detail::bias_sum(cell.bias_ih, cell.bias_hh, row));
    const LstmState<S> initial = lstm.learned_states().empty() ? LstmState<S>{} : lstm.learned_states()[l];
    append(list, initial.h, H);
    append(list, initial.c, H);
  }
  append(list, head.weight, head.weight.size());
  append(list, head.bias, head.weight.shape(0));
  detail::write_text(path, "save_nam", detail::nam_text(file, std::is_same_v<S, float>));
}

#define UNROLL_INSTANTIATE(S)                        \
  template NamModel<S> load_nam(const std::string&); \
  template void save_nam(const std::string&, const Lstm<S>&, const Linear<S>&, const NamInfo&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
