// Writes one of the tests' models as model.c: write_c_models FOLDER NAME float|int8. Without arguments it
// lists them.
#include <cstdio>
#include <cstring>

#include "models.hpp"

int main(int argc, char** argv) {
  unroll::test::for_each_model<float>([&](const char* name, const auto&... model) {
    if (argc < 4) {
      std::printf("%s;", name);
    } else if (std::strcmp(argv[2], name) == 0) {
      unroll::export_c(model..., std::string(argv[1]) + "/model.c",
                       {.int8 = std::strcmp(argv[3], "int8") == 0});
    }
  });
  return 0;
}
