// A process that trains and saves all the time is killed at random moments.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <optional>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {

// The program, its standard output in our hands.
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

  pid_t pid() const { return pid_; }
  // Waits until it has loaded its checkpoint: the step at which it goes on.
  std::optional<long long> begun_at() {
    long long step = -1;
    if (std::fscanf(out_, "step %lld", &step) != 1) return std::nullopt;
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

void sleep_for(double seconds) {
  const timespec time{0, static_cast<long>(seconds * 1e9)};
  ::nanosleep(&time, nullptr);
}

}  // namespace

TEST_CASE("killed at any of many random moments, a training leaves a whole checkpoint and goes on from it") {
  constexpr int kKills = 40;
  const Folder folder;
  const std::string file = folder.file("run");
  Rng rng(2024);
  long long last = 0;
  int moved = 0, unfinished = 0;
  double longest = 0.04;  // seconds; adapts to how fast this disk saves
  for (int kill = 0; kill < kKills; ++kill) {
    CAPTURE(kill);
    Child child(file);
    const auto begun = child.begun_at();
    REQUIRE(begun.has_value());
    CHECK(*begun >= last);  // nothing that was saved is lost
    moved += *begun > last ? 1 : 0;
    longest = *begun > last ? longest * 0.9 : std::min(longest * 1.3, 0.9);
    last = *begun;
    sleep_for(rng.uniform(0.0, longest));
    REQUIRE(child.end(SIGKILL) == SIGKILL);
    if (!checkpoint_exists(file)) continue;  // before the first one
    const Checkpoint<float> checkpoint = load_checkpoint<float>(file);
    CHECK(checkpoint.state.step >= last);
    CHECK(checkpoint.state.history.size() == static_cast<std::size_t>(checkpoint.state.epoch - 1));
    unfinished += folder.files() > 1 ? 1 : 0;
    CHECK(folder.files() <= 2);  // the next start removes what a killed one left
  }
  INFO("steps " << last << ", unfinished files seen " << unfinished);
  CHECK(moved > kKills / 4);
  Child child(file, "finish");
  REQUIRE(child.begun_at().has_value());
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
