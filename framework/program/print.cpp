#include <fmt/format.h>

#include "framework/program/compile.hpp"
#include "framework/program/program.hpp"

namespace unroll::detail {
namespace {

using Role = ProgramValue::Role;

const char* role_name(Role role) {
  switch (role) {
    case Role::x:
      return "x";
    case Role::state:
      return "state";
    case Role::upstream:
      return "upstream";
    case Role::external:
      return "external";
    case Role::rows:
      return "rows";
    case Role::sum:
      return "sum";
  }
  return "";
}

}  // namespace

template <class S>
std::string to_string(const Program<S>& program) {
  std::string text;
  const auto value = [&](int number) -> std::string {
    if (number < 0) return "0";
    const auto& v = program.values[static_cast<std::size_t>(number)];
    if (v.role == Role::rows) return fmt::format("%{}", number);
    return fmt::format("{}{}", role_name(v.role), number);
  };
  const auto list = [&](const char* title, const std::vector<Instruction<S>>& instructions) {
    if (instructions.empty()) return;
    if (*title != '\0') text += fmt::format("{}\n", title);
    for (const auto& op : instructions) {
      const auto& out = program.values[static_cast<std::size_t>(op.output)];
      text += fmt::format("  {} = {}(", value(op.output), name_of(op));
      for (std::size_t i = 0; i < op.inputs.size(); ++i) text += (i > 0 ? ", " : "") + value(op.inputs[i]);
      if (op.unary1 != nullptr || op.unary2 != nullptr) text += fmt::format(", {}", op.constant[0]);
      if (op.unary2 != nullptr) text += fmt::format(", {}", op.constant[1]);
      if (op.kind == Kind::cut || op.kind == Kind::pad) text += fmt::format(", from {}", op.first);
      text += out.role == Role::sum ? fmt::format(")  {}\n", to_string(out.shape))
                                    : fmt::format(")  (R,{}){}\n", out.width, out.over_time ? " kept" : "");
    }
  };
  list("forward, all steps at once:", program.forward.before);
  list("forward, step by step:", program.forward.loop);
  list("forward, after the loop:", program.forward.after);
  for (const int next : program.next) text += fmt::format("  next state {}\n", value(next));
  list("backward, all steps at once:", program.backward.before);
  list("backward, step by step:", program.backward.loop);
  list("backward, after the loop:", program.backward.after);
  list("sums over all steps:", program.sums);
  list("", program.of_sums);
  text += "gradients";
  for (const int g : program.gradients) text += " " + value(g);
  return text + "\n";
}

template std::string to_string(const Program<float>&);
template std::string to_string(const Program<double>&);

}  // namespace unroll::detail
