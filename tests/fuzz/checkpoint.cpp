// Checkpoints: a file's bytes, or the text of a run's state in a file that is otherwise sound; then the run
// goes on from there.
#include "training/trainer/checkpoint.hpp"

#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/tiny_run.hpp"

namespace unroll::fuzz {
namespace {

// A sound file whose state is this text.
std::string with_state(std::string_view text) {
  static const StateDict<float> sound = [] {
    TinyRun run;
    run.fit();
    run.trainer.save(file("sound.safetensors"));
    return load_tensors<float>(file("sound.safetensors"));
  }();
  StateDict<float> changed = sound;
  changed.metadata["state"] = text;
  const std::string path = file("in.safetensors");
  save_tensors(path, changed);
  return path;
}

}  // namespace

void one_input(std::string_view input) {
  std::optional<std::string> path;
  if (input.starts_with('{')) {
    path = attempt([&] { return with_state(input); });  // refused if it is not UTF-8
  } else {
    path = file("in.safetensors", input);
  }
  if (!path) return;
  attempt([&] { return load_checkpoint<double>(*path); });
  if (const auto checkpoint = attempt([&] { return load_checkpoint<float>(*path); })) {
    const std::string copy = file("copy.safetensors");
    must("a checkpoint that was read is written", [&] { save_checkpoint(copy, *checkpoint); });
    const auto again = must("a checkpoint is read", [&] { return load_checkpoint<float>(copy); });
    require(again.state.to_text() == checkpoint->state.to_text(), "a run's state is the same");
    require(again.model.size() == checkpoint->model.size() && again.best.size() == checkpoint->best.size(),
            "a checkpoint written and read is the same");
  }
  TinyRun run;
  const std::string before = run.trainer.state().to_text();
  if (!attempt([&] { run.trainer.resume(*path); })) {
    require(run.trainer.state().to_text() == before, "after a file that was refused a run is as before");
  }
  if (!attempt([&] { run.fit(); })) return;
  const std::string end = file("end.safetensors");
  if (!attempt([&] { run.trainer.save(end); })) return;  // weights that are not finite
  TinyRun other;
  must("what a run has saved is resumed", [&] { other.trainer.resume(end); });
}

}  // namespace unroll::fuzz
