// The texts in a checkpoint: the state of a run, of metrics, of a plateau schedule, of a random generator.
#include "training/trainer/checkpoint.hpp"

#include "framework/random.hpp"
#include "optim/schedules.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "training/metrics/confusion_matrix.hpp"
#include "training/metrics/metrics.hpp"

namespace unroll::fuzz {
namespace {

// What was refused leaves everything as it was; what was taken is written as the same.
template <class T>
void check_state(T value, const std::string& text) {
  const std::string before = value.state();
  if (!attempt([&] { value.load_state(text); })) {
    require(value.state() == before, "after a text that was refused the state is as before");
    return;
  }
  const std::string written = must("a state that was read is written", [&] { return value.state(); });
  must("a state that was written is read", [&] { value.load_state(written); });
  require(value.state() == written, "a state written and read is the same");
  if constexpr (requires { value.value(); }) value.value();
}

}  // namespace

void one_input(std::string_view input) {
  const std::string text(input);
  if (const auto state = attempt([&] { return TrainState::from_text(text); })) {
    require(state->epoch >= 1 && state->batch >= 0 && state->batch <= state->batches && state->step >= 0,
            "a run is inside an epoch");
    const std::string written = must("a state that was read is written", [&] { return state->to_text(); });
    const auto again =
        must("a state that was written is read", [&] { return TrainState::from_text(written); });
    require(again.to_text() == written, "a state written and read is the same");
  }
  check_state(Accuracy(), text);
  check_state(Rmse(), text);
  check_state(Mae(), text);
  check_state(Perplexity(), text);
  check_state(BitsPerCharacter(), text);
  check_state(ConfusionMatrix(2), text);
  check_state(F1(2), text);
  PlateauSchedule plateau{.lr = 0.1};
  check_state(plateau, text);
  if (attempt([&] { plateau.load_state(text); })) attempt([&] { return plateau(0.5); });
  Rng rng(1);
  check_state(rng, text);
  if (attempt([&] { rng.load_state(text); })) {
    rng.uniform();
    rng.normal();
  }
}

}  // namespace unroll::fuzz
