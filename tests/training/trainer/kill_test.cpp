// A process that trains and saves all the time is killed at random moments.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <optional>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {

// The program, its standard output in our hands. It goes when nobody reads any more.
class Child {
 public:
  Child(const std::string& file, const char* mode = nullptr) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl(UNROLL_KILLED_PROGRAM, UNROLL_KILLED_PROGRAM, file.c_str(), mode, nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    out_ = ::fdopen(ends[0], "r");
  }
  ~Child() {
    if (pid_ > 0) end(SIGKILL);
    std::fclose(out_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Waits for the next line: the step that is complete and will now be saved; at first the one at which it
  // goes on. Nothing when it has ended.
  std::optional<long long> step() {
    long long step = -1;
    if (std::fscanf(out_, " step %lld", &step) != 1) return std::nullopt;
    return step;
  }
  // The signal that ended it, 0 for a good end, -1 for a bad one.
  int end(int signal) {
    if (signal != 0) ::kill(pid_, signal);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    if (WIFSIGNALED(status)) return WTERMSIG(status);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
  }

 private:
  pid_t pid_;
  std::FILE* out_;
};

}  // namespace

TEST_CASE("killed at any of many random moments, a training leaves a whole checkpoint and goes on from it") {
  constexpr int kKills = 40;
  const Folder folder;
  const std::string file = folder.file("run");
  Rng rng(2024);
  long long saved = 0;  // at least
  int unfinished = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    CAPTURE(kill);
    Child child(file);
    auto step = child.step();
    REQUIRE(step.has_value());
    CHECK(*step >= saved);  // nothing that was saved is lost
    saved = *step;
    // While it saves the last of these, or a little later: when, only the machine knows.
    for (Index steps = rng.below(4); steps > 0; --steps) {
      step = child.step();
      REQUIRE(step.has_value());
      saved = *step - 1;
    }
    REQUIRE(child.end(SIGKILL) == SIGKILL);
    if (!checkpoint_exists(file)) {
      CHECK(saved == 0);
      continue;
    }
    const Checkpoint<float> checkpoint = load_checkpoint<float>(file);
    CHECK(checkpoint.state.step >= saved);
    CHECK(checkpoint.state.history.size() == static_cast<std::size_t>(checkpoint.state.epoch - 1));
    // The checkpoint, its lock, and what the next start removes.
    unfinished += folder.files() > 2 ? 1 : 0;
    CHECK(folder.files() <= 3);
  }
  INFO("steps " << saved << ", unfinished files seen " << unfinished);
  CHECK(saved >= kKills / 2);
  Child child(file, "finish");
  while (child.step()) {
  }
  CHECK(child.end(0) == 0);
  CHECK(folder.files() == 1);

  // All those runs together are one that was not killed.
  const Checkpoint<float> want = load_checkpoint<float>(file);
  Classifier<float> model(7);
  Adam<float> adam(parameters(model), {.lr = 0.01});
  Trainer trainer(model, adam, ClassLoss{},
                  {.epochs = want.state.epoch - 1, .restore_best = false, .progress = false}, Accuracy());
  trainer.fit(BucketedSource<float>(22, 4, 5), BucketedSource<float>(9, 4, 6));
  CHECK(same_bits(weights_of(model), want.model));
  CHECK(trainer.state().history == want.state.history);
}
