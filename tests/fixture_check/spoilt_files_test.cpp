// fixture_check must notice whatever is wrong with a file: each test spoils good files and wants them
// refused. It must also take a file of the schema whoever wrote it.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "examples/program.hpp"

using nlohmann::json;
using unroll::examples::read_text;
using unroll::examples::ScratchFolder;

namespace {

const std::string kFixtures = UNROLL_SOURCE_DIR "/tests/fixtures/";

struct Run {
  int status;
  std::string out;
  bool says(const std::string& text) const { return out.find(text) != std::string::npos; }
};

Run run_fixture_check(const std::vector<std::string>& files) {
  const ScratchFolder folder;
  std::string command = "'" UNROLL_BINARY_DIR "/tests/fixture_check'";
  for (const std::string& file : files) command += " '" + file + "'";
  const int status = std::system((command + " > '" + folder.path("out") + "' 2>&1").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder.path("out"))};
}

json read_fixture(const std::string& name) { return json::parse(std::ifstream(kFixtures + name + ".json")); }

using Spoil = std::function<void(json&)>;

// The spoilt file must fail, as the only file, with this text.
void check_refused(const std::string& fixture, const std::string& text, const Spoil& spoil) {
  json file = read_fixture(fixture);
  spoil(file);
  const ScratchFolder folder;
  const Run run = run_fixture_check({folder.write("spoilt.json", file.dump())});
  INFO(run.out);
  CHECK(run.status == 1);
  CHECK(run.says(text));
  CHECK(run.says("0 passed, 1 failed"));
}

// The file changed in a way that says the same must still pass.
void check_taken(const std::string& fixture, const Spoil& rewrite) {
  json file = read_fixture(fixture);
  rewrite(file);
  const ScratchFolder folder;
  const Run run = run_fixture_check({folder.write("rewritten.json", file.dump())});
  INFO(run.out);
  CHECK(run.status == 0);
  CHECK(run.says("1 passed, 0 failed"));
}

// Every array below a part of a file, with its place.
void for_each_array(const std::string& place, const json& group,
                    const std::function<void(const std::string&)>& f) {
  if (group.contains("data")) return f(place);
  for (const auto& [key, value] : group.items()) {
    // A name may contain a slash, which a JSON pointer writes so.
    std::string escaped = key;
    for (std::size_t at = 0; (at = escaped.find('/', at)) != std::string::npos; at += 2)
      escaped.replace(at, 1, "~1");
    for_each_array(place + "/" + escaped, value, f);
  }
}

// Adds to the number of largest size in an array a thousand times what its tolerance allows.
void change_largest(json& array) {
  json* largest = nullptr;
  const std::function<void(json&)> visit = [&](json& data) {
    if (data.is_array()) {
      for (json& part : data) visit(part);
    } else if (largest == nullptr || std::abs(data.get<double>()) > std::abs(largest->get<double>())) {
      largest = &data;
    }
  };
  visit(array["data"]);
  if (array["dtype"] == "int64") {
    *largest = largest->get<std::int64_t>() + 1;
  } else {
    *largest = largest->get<double>() + 1e-9 + 1e-8 * std::abs(largest->get<double>());
  }
}

}  // namespace

TEST_CASE("fixture_check compares every expected array of every fixture") {
  std::size_t arrays = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFixtures)) {
    const json fixture = json::parse(std::ifstream(entry.path()));
    const ScratchFolder folder;
    std::vector<std::string> files;
    for (const std::string group : {"outputs", "grads", "literal"}) {
      if (!fixture.contains(group)) continue;
      for_each_array("/" + group, fixture[group], [&](const std::string& place) {
        json spoilt = fixture;
        change_largest(spoilt[json::json_pointer(place)]);
        files.push_back(folder.write(std::to_string(files.size()) + ".json", spoilt.dump()));
      });
    }
    arrays += files.size();
    const Run run = run_fixture_check(files);
    INFO(entry.path() << "\n" << run.out);
    CHECK(run.says("\n0 passed, " + std::to_string(files.size()) + " failed\n"));
  }
  CHECK(arrays > 500);
}

TEST_CASE("fixture_check refuses an unknown system and another schema") {
  check_refused("nn_lstm_1layer", "the system \"nn_mamba\" is not known",
                [](json& f) { f["system"] = "nn_mamba"; });
  check_refused("nn_lstm_1layer", "schema: expected", [](json& f) { f["schema"] = "rnn-oracle-fixture/2"; });
  check_refused("nn_lstm_1layer", "\"extras\" is not a part of the schema",
                [](json& f) { f["extras"] = json::object(); });
}

TEST_CASE("fixture_check refuses unknown and missing options") {
  check_refused("nn_lstm_1layer", "config.peephole is not known",
                [](json& f) { f["config"]["peephole"] = true; });
  check_refused("nn_lstm_1layer", "config.num_layers is missing",
                [](json& f) { f["config"].erase("num_layers"); });
  check_refused("nn_lstm_1layer", "config.num_layers: expected an integer",
                [](json& f) { f["config"]["num_layers"] = "1"; });
  check_refused("nn_gru_1layer_reset_after", "config.zconv: expected",
                [](json& f) { f["config"]["zconv"] = "drop"; });
  check_refused("optim_adam", "config.hyper.betta is not known",
                [](json& f) { f["config"]["hyper"]["betta"] = 0.9; });
  check_refused("optim_adam", "config.optimizer \"lion\"",
                [](json& f) { f["config"]["optimizer"] = "lion"; });
  check_refused("loss_regression", "config.mse.beta is not known",
                [](json& f) { f["config"]["mse"]["beta"] = 1.0; });
  check_refused("loss_regression", "reduction: expected",
                [](json& f) { f["config"]["l1"]["reduction"] = "max"; });
  check_refused("lr_schedules", "config.StepLR.scheduler",
                [](json& f) { f["config"]["StepLR"]["scheduler"] = "poly"; });
  check_refused("optim_nadam_more", "config.hyper.amsgrad is not known",
                [](json& f) { f["config"]["hyper"]["amsgrad"] = false; });
  check_refused("lr_schedules_more", "config.chained_33.schedulers[1].gama is not known",
                [](json& f) { f["config"]["chained_33"]["schedulers"][1]["gama"] = 0.5; });
  check_refused("lr_schedules_more", "config.cosine_12.T_max is missing",
                [](json& f) { f["config"]["cosine_12"].erase("T_max"); });
  check_refused("nn_lstm_1layer", "config.peephole is not known",
                [](json& f) { f["config"]["peephole"] = nullptr; });
  check_refused("nn_lstm_1layer", "config.num_layers: expected an integer",
                [](json& f) { f["config"]["num_layers"] = 1.5; });
  check_refused("nn_lstm_1layer", "config.T: expected an integer >= 0",
                [](json& f) { f["config"]["T"] = -5; });
  check_refused("nn_gru_1layer_reset_before", "config.zconv is missing",
                [](json& f) { f["config"].erase("zconv"); });
  check_refused("nn_lstm_1layer", "config.bias is false", [](json& f) { f["config"]["bias"] = false; });
  check_refused("nn_gru_before_no_bias_more", "config.bias is true",
                [](json& f) { f["config"]["bias"] = true; });
  check_refused("nn_lstm_2layer_bidir_varlen", "inputs/lengths and config.lengths differ",
                [](json& f) { f["config"]["lengths"][0] = 2; });
  check_refused("seed000_gru_cell", "config.variants",
                [](json& f) { f["config"]["variants"].push_back("never"); });
}

TEST_CASE("fixture_check refuses unknown and missing arrays") {
  for (const std::string fixture :
       {"nn_lstm_1layer", "seed004_lstm_forward_seed1", "seed000_lstm_cell_rows_seed0", "seed000_gru_model",
        "seed001_rnn_backward_da", "optim_sgd"}) {
    const json file = read_fixture(fixture);
    const json extra = {{"shape", json::array({1})}, {"dtype", "float64"}, {"data", json::array({0.0})}};
    for (const std::string group : {"inputs", "params", "cotangents", "outputs", "grads"}) {
      if (!file.contains(group) || file[group].empty()) continue;
      check_refused(fixture, group + "/surplus", [&](json& f) { f[group]["surplus"] = extra; });
      const std::string name = file[group].begin().key();
      check_refused(fixture, group + "/" + name, [&](json& f) { f[group].erase(name); });
    }
  }
  check_refused("nn_lstm_1layer", "grads/x is missing", [](json& f) { f["grads"].erase("x"); });
  check_refused("nn_lstm_1layer", "outputs/cn is missing", [](json& f) { f["outputs"].erase("cn"); });
  check_refused("nn_lstm_1layer", "cotangents/hn is missing", [](json& f) { f["cotangents"].erase("hn"); });
}

TEST_CASE("fixture_check refuses arrays of a wrong shape or with anything but numbers") {
  check_refused("nn_lstm_1layer", "inputs/h0: expected (1,2,4)", [](json& f) {
    f["inputs"]["h0"] = {{"shape", {1, 1, 4}}, {"dtype", "float64"}, {"data", {{{1, 2, 3, 4}}}}};
  });
  check_refused("nn_lstm_1layer", "do not have the shape", [](json& f) {
    f["outputs"]["hn"]["shape"] = {1, 4, 2};
  });
  check_refused("nn_lstm_1layer", "outputs/loss: data: expected numbers",
                [](json& f) { f["outputs"]["loss"]["data"] = "1"; });
  check_refused("nn_lstm_1layer", "dtype: expected",
                [](json& f) { f["outputs"]["loss"]["dtype"] = "float32"; });
}

TEST_CASE("fixture_check compares the bits of random numbers and the characters of published lines") {
  check_refused("numpy_rng", "expected 3ff9fd5190657c51, got 3ff9fd5190657c50",
                [](json& f) { f["verification"]["seed_1"]["randn_bits_hex"][0] = "3ff9fd5190657c51"; });
  const std::pair<std::string, std::string> changes[] = {
      {"seed000_scalar_rnn", "52"},        {"seed000_lstm_cell_rows_seed0", "4"},
      {"seed002_003_simple_rnn", "8"},     {"seed003_classifier_seed5", "2"},
      {"seed004_lstm_forward_seed1", "7"}, {"seed004_sentence_onehot", "6"}};
  for (const auto& [fixture, digits] : changes) {
    check_refused(fixture, "published", [&digits = digits](json& f) {
      for (json& line : f["published"]["printed"]) {
        auto text = line.get<std::string>();
        const std::size_t at = text.find(digits);
        if (at == std::string::npos) continue;
        text[at] = '0';
        line = text;
        return;
      }
    });
  }
  check_refused("seed004_rnn_forward_seed1", "is not known to this program",
                [](json& f) { f["published"]["printed"].push_back("b[4][1] = [0.5 0.5]"); });
}

TEST_CASE("fixture_check says in one line what is wrong with a malformed file, and goes on with the next") {
  const ScratchFolder folder;
  const std::string good = kFixtures + "nn_rnn_tanh_1layer.json";
  const std::string text = read_text(good);
  const std::vector<std::string> bad{folder.path("absent.json"), folder.write("empty.json", ""),
                                     folder.write("cut.json", text.substr(0, text.size() / 2)),
                                     folder.write("list.json", "[1, 2]"), folder.write("bare.json", "{}")};
  for (const std::string& file : bad) {
    const Run run = run_fixture_check({file, good});
    INFO(run.out);
    CHECK(run.status == 1);
    CHECK(run.says("FAIL  " + file + ": "));
    CHECK(std::count(run.out.begin(), run.out.end(), '\n') ==
          4);  // one for it, two paths of the good one, the sum
    CHECK(run.says("\n1 passed, 1 failed\n"));
  }
  CHECK(run_fixture_check({good}).status == 0);
}

TEST_CASE("fixture_check takes integers written as floating-point numbers, and numbers in one flat list") {
  const std::function<void(json&)> as_float = [&](json& value) {
    if (value.is_number_integer()) value = value.get<double>();
    if (value.is_structured()) std::for_each(value.begin(), value.end(), as_float);
  };
  const auto flatten = [](json& array) {
    json flat = json::array();
    const std::function<void(const json&)> visit = [&](const json& data) {
      if (!data.is_array()) return flat.push_back(data);
      for (const json& part : data) visit(part);
    };
    visit(array["data"]);
    array["data"] = flat;
  };
  for (const std::string fixture :
       {"nn_lstm_proj_2layer_bidir_varlen_more", "seed004_sentence_onehot", "seed000_gru_model", "optim_adam",
        "loss_cross_entropy", "lr_schedules"}) {
    check_taken(fixture, as_float);
    check_taken(fixture, [&](json& f) {
      for (const std::string group : {"inputs", "params", "cotangents", "outputs", "grads"}) {
        if (!f.contains(group)) continue;
        for_each_array("/" + group, json(f[group]),
                       [&](const std::string& place) { flatten(f[json::json_pointer(place)]); });
      }
    });
  }
  check_refused("nn_lstm_1layer", "do not have the shape", [&](json& f) {
    flatten(f["outputs"]["hn"]);
    f["outputs"]["hn"]["data"].push_back(0.0);
  });
}

TEST_CASE("fixture_check takes a recurrent layer without the options that say nothing") {
  for (const std::string fixture :
       {"nn_rnn_relu_3layer_time_first_more", "nn_lstm_1layer", "nn_gru_after_long_more"}) {
    check_taken(fixture, [](json& f) {
      for (const char* key : {"kind", "bidirectional", "proj_size", "reset", "zconv", "lengths",
                              "batch_first", "initial_state_given"})
        f["config"].erase(key);
      f["config"]["bias"] = true;
    });
  }
  check_refused("nn_lstm_one_step_more", "inputs/x: expected",
                [](json& f) { f["config"]["batch_first"] = true; });
  check_refused("nn_gru_before_no_bias_more", "config.batch_first is missing", [](json& f) {
    f["config"]["batch"] = f["config"]["T"];  // so that x does not say it
    f["config"].erase("batch_first");
  });
}

TEST_CASE("fixture_check takes lengths and initial states that are said in one place only, or are nothing") {
  const json nothing = {{"shape", {0}}, {"dtype", "int64"}, {"data", json::array()}};
  check_taken("nn_lstm_2layer_bidir_varlen", [](json& f) { f["config"]["lengths"] = nullptr; });
  check_taken("nn_lstm_2layer_bidir_varlen", [](json& f) { f["inputs"].erase("lengths"); });
  check_taken("nn_lstm_1layer", [&](json& f) { f["inputs"]["lengths"] = nothing; });
  for (const std::string fixture : {"nn_lstm_equal_lengths_more", "nn_rnn_relu_2layer_bidir_varlen_more"}) {
    const auto zero_state = [](json& f, const char* state, const char* final) {
      json zeros = f["outputs"][final];
      const std::function<void(json&)> clear = [&](json& data) {
        if (data.is_array()) return std::for_each(data.begin(), data.end(), clear), void();
        data = 0.0;
      };
      clear(zeros["data"]);
      f["inputs"][state] = zeros;
    };
    check_taken(fixture, [&](json& f) { zero_state(f, "h0", "hn"); });
    check_taken(fixture, [&](json& f) { f["inputs"]["h0"] = nothing; });
    check_taken(fixture, [&](json& f) { f["inputs"]["h0"] = nullptr; });
  }
  check_refused("nn_lstm_1layer", "inputs/h0 is missing", [](json& f) { f["inputs"]["h0"] = nullptr; });
  check_refused("nn_lstm_1layer", "outputs/hn is missing", [](json& f) { f["outputs"]["hn"] = nullptr; });
}
