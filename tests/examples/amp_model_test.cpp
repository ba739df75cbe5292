#include <catch2/catch.hpp>
#include <cmath>

#include "deploy/nam.hpp"
#include "deploy/rtneural.hpp"
#include "framework/ops.hpp"
#include "tests/examples/program.hpp"
#include "training/audio/wav.hpp"
#include "training/models/state_dict.hpp"

using namespace unroll;
using namespace unroll::examples;
using ScratchFolder = unroll::examples::ScratchFolder;
using Catch::Contains;

namespace {

// Half a second of chirps, and the same through tanh.
struct Files {
  ScratchFolder folder;
  std::string dry = folder.path("dry.wav"), wet = folder.path("wet.wav");
  Tensor<float> x{Shape{24000, 1}}, y{Shape{24000, 1}};

  Files() {
    for (std::size_t t = 0; t < x.size(); ++t) {
      const double s = static_cast<double>(t) / 48000.0;
      x.data()[t] = static_cast<float>(0.8 * std::sin(2000.0 * s * (1.0 + std::fmod(8.0 * s, 1.0))));
      y.data()[t] = std::tanh(3.0F * x.data()[t]);
    }
    save_wav(dry, x, 48000);
    save_wav(wet, y, 48000);
  }
  std::string pair() const { return "--dry '" + dry + "' --wet '" + wet + "' "; }
};

}  // namespace

TEST_CASE("amp_model learns an effect and writes it in four formats that compute the same") {
  const Files files;
  const std::string name = files.folder.path("amp");
  const ProgramResult result =
      run_example("amp_model", files.pair() + "--name '" + name +
                                   "' --hidden 4 --epochs 30 --lr 0.02 --plot '" + name + ".png'");
  CAPTURE(result.out, result.err);
  REQUIRE(result.status == 0);
  const std::string before = "of the last tenth: ESR ";
  const std::size_t at = result.out.find(before);
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(result.out.substr(at + before.size())) < 0.1);
  for (const char* ending : {".c", ".h", ".png", ".safetensors"})
    CHECK(std::filesystem::file_size(name + ending) > 100);
  const auto nam = load_nam<float>(name + ".nam");
  const auto json = load_rtneural<float>(name + ".json");
  CHECK(nam.info.sample_rate == 48000.0);
  const Var<float> x(reshape(Var<float>(files.x), {-1, 1, 1}));
  const Tensor<float> a = nam(x).value(), b = json(x).value();
  float largest = 0.0F;
  for (std::size_t t = 0; t < a.size(); ++t) largest = std::max(largest, std::abs(a.data()[t] - b.data()[t]));
  CHECK(largest < 1e-5F);
  // The biases of the saved model are two, those of the formats their sum.
  const auto saved = load_tensors<float>(name + ".safetensors").tensors;
  const Tensor<float> sum = saved.at("layer.bias_ih_l0") + saved.at("layer.bias_hh_l0");
  CHECK(nam.lstm.cells()[0].bias_ih.value() == sum);
}

TEST_CASE("amp_model answers bad input with one line and a non-zero status") {
  const Files files;
  const auto refuses = [](const std::string& arguments, const std::string& message) {
    check_refused("amp_model", run_example("amp_model", arguments), message);
  };
  const std::string name = " --name '" + files.folder.path("x") + "'", path = files.folder.path("other.wav");
  refuses("--dry '" + files.dry + "'" + name, "--wet");
  refuses("--dry '" + files.folder.path("none.wav") + "' --wet '" + files.wet + "'" + name, "none.wav");
  const std::string other = "--dry '" + files.dry + "' --wet '" + path + "'" + name;
  files.folder.write("other.wav", "no sound");
  refuses(other, "expected a WAV file");
  save_wav(path, zeros<float>({24000, 2}), 48000);
  refuses(other, "expected one channel, got 2");
  save_wav(path, zeros<float>({23999}), 48000);
  refuses(other, "expected 24000 steps");
  save_wav(path, zeros<float>({24000}), 44100);
  refuses(other, "expected the dry recording's rate, 48000 Hz, got 44100 Hz");
  refuses(files.pair() + "--epochs 0" + name, "--epochs");
  refuses(files.pair() + "--plot x.pdf" + name, "x.pdf");
}
