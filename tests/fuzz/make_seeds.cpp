// make_seeds FOLDER: writes a folder for each harness, with sound files as Unroll writes them, and with files
// made to break readers.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "deploy/nam_file.hpp"
#include "deploy/rtneural_file.hpp"
#include "tests/fuzz/hostile.hpp"
#include "tests/fuzz/tiny_run.hpp"
#include "training/data/table_encoder.hpp"
#include "training/forecasting/series_encoder.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/jsonl_log.hpp"
#include "training/metrics/confusion_matrix.hpp"
#include "training/metrics/metrics.hpp"
#include "training/models/npy.hpp"
#include "training/models/npz.hpp"
#include "training/models/state_dict.hpp"
#include "training/tensorboard/tensorboard_log.hpp"

using namespace unroll;
namespace fs = std::filesystem;

namespace {

class Seeds {
 public:
  explicit Seeds(fs::path folder) : folder_(std::move(folder)) {}

  // Where a seed of this name is to be.
  std::string path(const std::string& family, const std::string& name) const {
    fs::create_directories(folder_ / family);
    return (folder_ / family / name).string();
  }
  void add(const std::string& family, const std::string& name, const std::string& bytes) const {
    std::ofstream(path(family, name), std::ios::binary) << bytes;
  }

 private:
  fs::path folder_;
};

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void add_tensor_files(const Seeds& seeds) {
  const StateDict<float> state{{{"a.weight", Tensor<float>{{1, -2}, {0.5F, 3}, {-0.0F, 7}}},
                                {"a.bias", Tensor<float>{1, 2, 3}},
                                {"none", Tensor<float>(Shape{0, 3})}},
                               {{"epoch", "3"},
                                {"flag", "true"},
                                {"real", "-1.5e-3"},
                                {"list", "[1,2.5]"},
                                {"texts", R"(["a","b"])"},
                                {"labels", R"(["ab","cd"])"},
                                {"vocabulary", R"({"unit":"word","special":1,"tokens":["<unk>","a"]})"},
                                {"standardizer", R"({"mean":[0.5],"scale":[2]})"},
                                {"series", R"({"period":12,"standardizer":{"mean":[0.5],"scale":[2]}})"}}};
  save_tensors(seeds.path("tensor_files", "float.safetensors"), state);
  save_tensors(seeds.path("tensor_files", "double.safetensors"),
               StateDict<double>{{{"a", Tensor<double>{{1, 2}}}}, {}});
  save_npz(seeds.path("tensor_files", "stored.npz"), state);
  save_npz(seeds.path("tensor_files", "deflated.npz"), state, {.compress = true});
  save_npy(seeds.path("tensor_files", "float.npy"), Tensor<float>{{1, 2}, {3, 4}});
  save_npy(seeds.path("tensor_files", "bool.npy"), Tensor<bool>{true, false});
  save_npy(seeds.path("tensor_files", "u64.npy"), Tensor<std::uint64_t>{1, 2, 3});
  const std::string elements(8, '\x40');
  for (const char* type : {"<f2", ">f4", "<i2", ">i8", "|u1", "|b1"}) {
    seeds.add("tensor_files", std::string("type_") + (type + 1) + ".npy",
              hostile::npy(hostile::npy_header(type, "(1,)"),
                           elements.substr(0, static_cast<std::size_t>(type[2] - '0'))));
  }
  for (const char* type :
       {"BOOL", "U8", "I8", "U16", "I16", "F16", "BF16", "U32", "I32", "U64", "I64", "F8_E4M3"}) {
    const auto entry = fmt::format(R"({{"a":{{"dtype":"{}","shape":[8],"data_offsets":[0,64]}}}})", type);
    seeds.add("tensor_files", std::string("type_") + type + ".safetensors",
              hostile::safetensors(entry) + std::string(64, '\1'));
  }
}

void add_data(const Seeds& seeds) {
  const std::string bytes = "\1\2\3\4\5\6\7\x88";
  for (const int type : {0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e}) {
    const std::uint64_t size = type < 0x0b ? 8 : type == 0x0b ? 4 : type == 0x0e ? 1 : 2;
    seeds.add("idx", fmt::format("type_{:02x}", type), hostile::idx(type, {size}, bytes));
  }
  seeds.add("idx", "axes", hostile::idx(0x08, {2, 2, 2}, bytes));
  seeds.add("idx", "axes_gz", hostile::gzip(hostile::Deflated(hostile::idx(0x08, {2, 2, 2}, bytes))));
  seeds.add("tables", "texts.csv",
            "name,label,split\nab,x,train\nba,y,train\naa,x,train\nbb,y,train\nab,x,valid\nbb,y,test\n");
  seeds.add("tables", "numbers.csv",
            "a,b,label\n1,2,x\n3,4.5,y\n-1e3,0,x\n2,2,y\n5,1,x\n0,0,y\n1,1,x\n2,3,y\n");
  seeds.add("tables", "months.csv",
            "year,month,v\n1999,11,1\n1999,12,2.5\n2000,1,-3\n2000,2,4\n2000,3,5\n2000,4,6\n2000,5,7\n");
  seeds.add("tables", "years.csv", "year,v,split\n1999,1,train\n2000,2,train\n2001,3,valid\n2002,5,test\n");
  seeds.add("tables", "quoted.csv", "a,\"b \"\"c\"\"\"\r\n\"1,\n2\",x\r\n\"\",\xc3\xa4\r\n");
  seeds.add("tables", "tabs.tsv", "a\tb\n1\t2\n3\t4\n");
  seeds.add("tables", "semicolons.csv",
            "\xef\xbb\xbf"
            "a;b\n1;2,5\n");
  seeds.add("text", "text",
            "Ein Text,\r\nin zwei Zeilen: \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80.\n  a a b\xc2\xa0"
            "c\n");
  seeds.add("text", "bom",
            "\xef\xbb\xbf"
            "one line");
}

void add_encoders(const Seeds& seeds) {
  seeds.add("encoders", "vocabulary",
            Vocabulary::of(std::string("a bc a"), {.unit = TextUnit::word}).to_json());
  seeds.add("encoders", "characters", Vocabulary::of(std::string("abc\xc3\xa4")).to_json());
  seeds.add("encoders", "labels", Labels::of(std::vector<std::string>{"x", "y"}).to_json());
  seeds.add("encoders", "standardizer", Standardizer<float>::fit(Tensor<float>{{1, 2}, {3, 5}}).to_json());
  const std::string path = seeds.path("tables", "numbers.csv");
  seeds.add("encoders", "numbers", encode_table<float>(read_table(path), {.steps = 2}).encoder.to_json());
  seeds.add("encoders", "texts",
            encode_table<double>(read_table(seeds.path("tables", "texts.csv")), {.text = "name"})
                .encoder.to_json());
  const Series series = read_series(read_table(seeds.path("tables", "years.csv")), "v");
  seeds.add("encoders", "series", SeriesEncoder<float>(series, series.parts.front(), 12).to_json());
  for (const char* text : {"true", "-12", "1.5e-3", "[1,2]", R"(["a","\u00e4"])"}) {
    seeds.add("encoders", fmt::format("plain_{}", static_cast<unsigned char>(text[0])), text);
  }
}

void add_states(const Seeds& seeds) {
  TrainState state;
  state.batches = 3;
  state.metrics = {{"rmse", Rmse().state()}};
  state.lr = {0.1};
  state.random = {{"kept.noise", Rng(2).state()}};
  state.history = {
      {.epoch = 1, .step = 3, .train = {{"loss", 0.5}}, .valid = {{"loss", 0.25}}, .best = true}};
  seeds.add("train_state", "state", state.to_text());
  Accuracy accuracy;
  accuracy.update(Tensor<float>{{1, 2}, {3, 1}}, IndexTensor{1, 1});
  seeds.add("train_state", "accuracy", accuracy.state());
  Perplexity perplexity;
  perplexity.update(0.5, 3.0);
  seeds.add("train_state", "mean", perplexity.state());
  ConfusionMatrix matrix(2);
  matrix.update(IndexTensor{0, 1}, IndexTensor{1, 1});
  seeds.add("train_state", "matrix", matrix.state());
  PlateauSchedule plateau{.lr = 0.1};
  plateau(0.5);
  seeds.add("train_state", "plateau", plateau.state());
  Rng rng(3);
  rng.normal();
  seeds.add("train_state", "random", rng.state());
}

void add_checkpoints(const Seeds& seeds) {
  fuzz::TinyRun run;
  run.trainer.save(seeds.path("checkpoint", "new"));
  run.fit();
  const std::string path = seeds.path("checkpoint", "end");
  run.trainer.save(path);
  seeds.add("checkpoint", "state", run.trainer.state().to_text());
  seeds.add("checkpoint", "whole_state", load_tensors<float>(path).metadata.at("state"));
}

// The records' bytes of an event file, each with its length in front, as the harness frames them.
std::string unframed(const std::string& file) {
  std::string pieces;
  for (std::size_t at = 0; at + 12 <= file.size();) {
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(file[at]));  // each is below 256
    pieces += file[at] + file.substr(at + 12, length);
    at += 16 + length;
  }
  return pieces;
}

void add_logs(const Seeds& seeds) {
  const std::vector<NamedScalar> some{{"train/loss", 0.5}, {"lr", 1e-3}}, more{{"valid/a,b", 1.0 / 3}};
  const auto write = [&](Log& log) {
    for (const std::int64_t step : {1, 3, 5}) log.scalars(step, 1, some);
    log.text(4, "model", "a\nb");
    log.scalars(6, 2, more);
  };
  const std::string csv = seeds.path("logs", "csv"), jsonl = seeds.path("logs", "jsonl");
  fs::remove(csv);
  fs::remove(jsonl);
  CsvLog csv_log(csv);
  write(csv_log);
  JsonLinesLog jsonl_log(jsonl);
  write(jsonl_log);
  seeds.add("logs", "jsonl_cut", read(jsonl) + "{\"step\":7,\"epo");
  const std::string folder = seeds.path("logs", "events.tmp");
  fs::remove_all(folder);
  {
    TensorBoardLog log(folder);
    write(log);
    log.histogram(4, "h", std::vector<float>{1, 2, 3});
    const std::string bytes = read(log.path());
    seeds.add("logs", "events", bytes);
    seeds.add("logs", "events_cut", bytes.substr(0, bytes.size() - 3));
    seeds.add("logs", "framed", unframed(bytes));
  }
  fs::remove_all(folder);
}

void add_audio_models(const Seeds& seeds) {
  const std::string family = "audio_models";
  detail::NamFile nam{.info = {.sample_rate = 44100.0, .metadata = R"({"name":"a"})"},
                      .input = 1,
                      .hidden = 2,
                      .layers = 2,
                      .output = 1};
  for (int i = 0; i < 36 + 44 + 3; ++i) nam.weights.push_back(0.1 * i - 4.0);
  seeds.add(family, "two_layers.nam", detail::nam_text(nam, true));
  const auto numbers = [](std::size_t count) { return std::vector<double>(count, -0.25); };
  seeds.add(family, "layers.json",
            detail::rtneural_text({{"gru", "", 1, 2, {numbers(6), numbers(12), numbers(12)}},
                                   {"lstm", "", 2, 2, {numbers(16), numbers(16), numbers(8)}},
                                   {"dense", "elu", 2, 1, {numbers(2)}}},
                                  true));
  // Deep, wide, and full of faults.
  std::string faults = R"({"in_shape":[1],"layers":[0)", wide = R"({"architecture":"LSTM","config":{)";
  for (int i = 0; i < 20'000; ++i) faults += R"(,{"type":"\u001b"})";
  for (int i = 0; i < 20'000; ++i) wide += (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(":[])";
  seeds.add(family, "hostile_deep", R"({"layers":)" + std::string(1'000'000, '['));
  seeds.add(family, "hostile_faults", faults + "]}");
  seeds.add(family, "hostile_wide", wide + "}}");
}

void add_hostile(const Seeds& seeds) {
  for (const hostile::File& file : hostile::hostile_files(10'000)) {
    seeds.add(file.family, "hostile_" + file.name, file.bytes);
    // In a checkpoint and in metadata it is the same text that is read.
    if (file.family == "train_state") seeds.add("checkpoint", "hostile_" + file.name, file.bytes);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_seeds FOLDER\n");
    return 2;
  }
  const Seeds seeds(argv[1]);
  add_tensor_files(seeds);
  add_data(seeds);
  add_encoders(seeds);
  add_states(seeds);
  add_checkpoints(seeds);
  add_logs(seeds);
  add_audio_models(seeds);
  add_hostile(seeds);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "make_seeds: %s\n", error.what());
  return 1;
}
