// Models of other programs: JSON files of RTNeural and Neural Amp Modeler.
#include "deploy/nam_file.hpp"
#include "deploy/rtneural_file.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace unroll::fuzz {

void one_input(std::string_view input) {
  const std::string path = file("model.json", input);
  for (const bool single : {false, true}) {
    // What was read is written as a file that is read as the same.
    const auto same = [&](const std::string& text, auto&& read) {
      const std::string copy = file("copy.json", text);
      require(must("a model that was written is read", [&] { return read(copy); }) == text,
              "a model written and read is the same");
    };
    if (const auto nam = attempt([&] { return detail::read_nam(path, "load_nam"); })) {
      same(must("a model that was read is written", [&] { return detail::nam_text(*nam, single); }),
           [&](const std::string& copy) {
             return detail::nam_text(detail::read_nam(copy, "load_nam"), single);
           });
    }
    if (const auto layers = attempt([&] { return detail::read_rtneural(path, "load_rtneural"); })) {
      same(must("layers that were read are written", [&] { return detail::rtneural_text(*layers, single); }),
           [&](const std::string& copy) {
             return detail::rtneural_text(detail::read_rtneural(copy, "load_rtneural"), single);
           });
    }
  }
}

}  // namespace unroll::fuzz
