// fixture_check FILE.json...: compares the library with reference files (schema rnn-oracle-fixture/1).
//
// Prints one line per file and path, then "N passed, N failed" (files); exits with 0 only when all passed.
#include <fmt/format.h>

#include <cstdio>

#include "registry.hpp"

namespace {

using namespace unroll::oracle;

bool check_file(const Registry& registry, const std::string& path) {
  try {
    Fixture fixture = Fixture::load(path);
    Check check(fixture);
    const auto handler = registry.find(fixture.system());
    if (handler == registry.end()) {
      check.fail(fmt::format("the system \"{}\" is not known", fixture.system()));
      return false;
    }
    try {
      handler->second(fixture, check);
    } catch (const std::exception& e) {
      check.fail(e.what());
      return false;
    }
    check.finish();
    return check.ok();
  } catch (const std::exception& e) {
    fmt::print("FAIL  {}: {}\n", path, e.what());
    return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: fixture_check FILE.json...\n");
    return 2;
  }
  Registry registry;
  add_recurrent_systems(registry);
  add_gallery_systems(registry);
  add_column_systems(registry);
  add_row_systems(registry);
  add_scalar_system(registry);
  add_gru_system(registry);
  add_random_systems(registry);
  add_optimizer_systems(registry);
  add_loss_systems(registry);
  add_schedule_systems(registry);

  int passed = 0, failed = 0;
  for (int i = 1; i < argc; ++i) ++(check_file(registry, argv[i]) ? passed : failed);
  fmt::print("{} passed, {} failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
