#include <catch2/catch.hpp>
#include <fstream>
#include <functional>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {

template <class S>
void train_and_save(const std::string& file) {
  Classifier<S> model(1);
  Adam<S> adam(parameters(model), {.lr = 0.02});
  Trainer trainer(model, adam, ClassLoss{}, {.epochs = 2, .checkpoint = file, .progress = false}, Accuracy());
  trainer.fit(BucketedSource<S>(22, 4, 5));
}

// What resume() says; it must leave everything as it was.
template <class Model, class Opt, class... Metrics>
std::string refusal(const std::string& file, Model& model, Opt& optimizer, TrainOptions options,
                    Metrics... metrics) {
  options.progress = false;
  Trainer trainer(model, optimizer, ClassLoss{}, options, metrics...);
  const Folder folder;
  trainer.save(folder.file("before"));
  std::string message = "no error";
  try {
    trainer.resume(file);
  } catch (const FileError& error) {
    message = error.what();
  }
  trainer.save(folder.file("after"));
  using S = scalar_t<Model>;
  if (message != "no error")
    CHECK(same_bits(load_checkpoint<S>(folder.file("before")), load_checkpoint<S>(folder.file("after"))));
  return message;
}

// Shares some names with Classifier.
template <class S>
struct OtherModel {
  using Scalar = S;
  Lstm<S> lstm;
  Linear<S> head, extra;
  OtherModel() {
    Rng rng(1);
    lstm = Lstm<S>({.input = 3, .hidden = 4}, rng);
    head = Linear<S>(4, 3, rng);
    extra = Linear<S>(2, 2, rng);
  }
  Var<S> operator()(const LabelledBatch<S>& b) const { return head(lstm(Var<S>(b.x)).states.back().h); }
  static void each(auto& self, auto&& visit) {
    visit("lstm", self.lstm);
    visit("head", self.head);
    visit("extra", self.extra);
  }
};

void touch(const std::string& file) { std::ofstream(file) << "x"; }

}  // namespace

TEST_CASE("a state of training is text that keeps every bit") {
  TrainState state;
  state.epoch = 3;
  state.batch = 7;
  state.batches = 9;
  state.step = (std::int64_t{1} << 60) + 1;
  state.loss = 0.1 + 0.2;
  state.weight = 1e300;
  state.grad_norm = -0.0;
  state.metrics = {{"a b", "1 2"}, {"\u00e9", "\"\n"}};
  state.lr = {1.0 / 3.0, 5e-324};
  state.random = {{"x.rng", "00ff"}};
  state.best_score = -std::numeric_limits<double>::infinity();
  state.patience = {0.7, 4};
  state.history = {
      {.epoch = 1, .step = 2, .train = {{"loss", std::nan("")}}, .valid = {{"loss", 0.3}}, .best = true}};
  const TrainState read = TrainState::from_text(state.to_text());
  CHECK(read.to_text() == state.to_text());
  CHECK(read.step == state.step);
  CHECK(read.loss == 0.1 + 0.2);
  CHECK(std::signbit(read.grad_norm));
  CHECK(read.lr == state.lr);
  CHECK(read.metrics == state.metrics);
  CHECK(read.history == state.history);
  CHECK(read.best_score == state.best_score);
  CHECK(std::isnan(TrainState::from_text(TrainState().to_text()).best_score));

  CHECK_THROWS_WITH(TrainState::from_text("[]"), Contains("expected a JSON object"));
  CHECK_THROWS_WITH(TrainState::from_text("{}"), Contains("expected 'epoch', got none"));
  const auto spoilt = [&](const std::string& from, const std::string& to) {
    std::string text = state.to_text();
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  CHECK_THROWS_WITH(TrainState::from_text(spoilt("\"epoch\":3", "\"epoch\":-3")),
                    Contains("'epoch': expected a whole number"));
  CHECK_THROWS_WITH(TrainState::from_text(spoilt("\"1e+300\"", "\"much\"")),
                    Contains("'weight': expected a number, got 'much'"));
  CHECK_THROWS_WITH(TrainState::from_text(spoilt("\"batch\":7", "\"batch\":10")),
                    Contains("a batch inside it"));
}

TEST_CASE("a state's text that is deep, long or beyond whole numbers is refused by name and in short") {
  TrainState state;
  state.lr = {0.5};
  const std::string good = state.to_text();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const auto message = [](const std::string& text) -> std::string {
    try {
      TrainState::from_text(text);
    } catch (const ArgumentError& error) {
      return error.what();
    }
    return "no error";
  };
  REQUIRE(message(good) == "no error");
  const std::size_t deep = 300000;
  const std::string lists = std::string(deep, '[') + std::string(deep, ']');
  std::string objects;
  for (std::size_t i = 0; i < deep; ++i) objects += "{\"a\":";
  objects += "0" + std::string(deep, '}');
  for (const std::string& value : {lists, objects}) {
    for (const std::string from : {"\"epoch\":1", "\"history\":[]", "\"plateau\":\"\"", "\"lr\":[\"0.5\"]"}) {
      const std::string key = from.substr(0, from.find(':') + 1);
      CHECK_THAT(message(with(from, key + value)),
                 Contains("expected at most 16 brackets within each other"));
    }
    CHECK_THAT(message(value), Contains("expected at most 16 brackets"));
  }
  // Brackets in a text are none.
  CHECK(message(with("\"plateau\":\"\"", "\"plateau\":\"\\\"" + std::string(100, '[') + "\"")) == "no error");
  for (const std::string number : {"18446744073709551611", "18446744073709551616", "9223372036854775808",
                                   "9223372036854775807", "-1", "1.5", "1e3"}) {
    CAPTURE(number);
    for (const std::string key :
         {"epoch", "batch", "step", "batches", "steps", "best_epoch", "patience_bad_epochs"}) {
      const std::string from = fmt::format("\"{}\":{}", key, key == "epoch" ? 1 : 0);
      CHECK_THAT(message(with(from, fmt::format("\"{}\":{}", key, number))),
                 Contains("'" + key + "': expected a whole number from 0 to 2^62, got "));
    }
  }
  const std::string long_text(100000, 'a');
  for (const std::string& text : {with("\"lr\":[\"0.5\"]", "\"lr\":[\"" + long_text + "\"]"),
                                  with("\"epoch\":1", "\"epoch\":\"" + long_text + "\""),
                                  with("\"history\":[]", "\"history\":\"" + long_text + "\""),
                                  with("\"epoch\":1", "\"epoch\":\"\\u001b[2J\"")}) {
    CHECK(message(text).size() < 200);
    CHECK(message(text) != "no error");
    CHECK(message(text).find('\x1b') == std::string::npos);
  }
  CHECK_THAT(message(with("\"lr\":[\"0.5\"]", "\"lr\":\"0.5\"")),
             Contains("'lr': expected a list, got string"));
}

TEMPLATE_TEST_CASE(
    "a checkpoint of another model, optimizer or trainer is refused with all that does not fit", "", float,
    double) {
  using S = TestType;
  const Folder folder;
  const std::string file = folder.file("run");
  train_and_save<S>(file);

  Classifier<S> model(2);
  Adam<S> adam(parameters(model), {.lr = 0.02});
  Sgd<S> sgd(parameters(model), {.lr = 0.02, .momentum = 0.9});
  AdamW<S> adamw(parameters(model), {.lr = 0.02});
  CHECK(refusal(file, model, adam, {}, Accuracy()) == "no error");

  Classifier<S> fresh(2);
  CHECK_THAT(refusal(file, fresh, sgd, {}, Accuracy(), F1(3)),
             Contains("[Trainer.resume] " + file +
                      ": expected a checkpoint of this model and trainer, got another: optimizer: expected "
                      "Sgd, got Adam") &&
                 Contains("optimizer state 'head.bias.momentum_buffer' (3) is missing") &&
                 Contains("optimizer state 'head.bias.exp_avg' (3) is unexpected") &&
                 Contains("metric 'f1' is missing"));
  CHECK_THAT(refusal(file, fresh, adamw, {}, Accuracy()), Contains("optimizer: expected AdamW, got Adam"));
  Adam<S> other_adam(parameters(fresh), {.lr = 0.02});
  CHECK_THAT(refusal(file, fresh, other_adam, {.plateau = PlateauSchedule{.lr = 0.02}}),
             Contains("metric 'accuracy' is unexpected") && Contains("plateau: expected one, got none"));

  OtherModel<S> other;
  Adam<S> its(parameters(other), {.lr = 0.02});
  CHECK_THAT(refusal(file, other, its, {}, Accuracy()),
             Contains("parameter 'extra.weight' (2,2) is missing") &&
                 Contains("parameter 'head.weight': expected (3,4), got (3,5)") &&
                 Contains("parameter 'lstm.weight_hh_l1' (20,5) is unexpected") &&
                 Contains("random generator 'dropout.rng' is unexpected") &&
                 Contains("optimizer state 'extra.bias.step' () is missing") &&
                 Contains("best weights 'extra.weight' (2,2) is missing"));
}

TEST_CASE("files that are no checkpoints, or of the other scalar type, are refused by name") {
  const Folder folder;
  train_and_save<float>(folder.file("float"));
  train_and_save<double>(folder.file("double"));
  CHECK_THROWS_WITH(load_checkpoint<double>(folder.file("float")),
                    Contains("'scalar': expected 'F64', got 'F32'"));
  CHECK_THROWS_AS(load_checkpoint<float>(folder.file("double")), FileError);
  CHECK_THROWS_WITH(load_checkpoint<float>(folder.file("none")), Contains(folder.file("none")));
  touch(folder.file("text"));
  CHECK_THROWS_WITH(load_checkpoint<float>(folder.file("text")), Contains(folder.file("text")));
  save_tensors(folder.file("weights"), StateDict<float>{{{"w", zeros<float>({2})}}, {}});
  CHECK_THROWS_WITH(load_checkpoint<float>(folder.file("weights")), Contains("a file of weights alone?"));

  StateDict<float> file = load_tensors<float>(folder.file("float"));
  auto spoilt = file;
  spoilt.tensors["stray"] = zeros<float>({1});
  save_tensors(folder.file("stray"), spoilt);
  CHECK_THROWS_WITH(load_checkpoint<float>(folder.file("stray")), Contains("got 'stray'"));
  spoilt = file;
  spoilt.metadata["state"] = "{";
  save_tensors(folder.file("state"), spoilt);
  CHECK_THROWS_WITH(load_checkpoint<float>(folder.file("state")), Contains("expected a JSON object"));
  // Cut off anywhere it is no checkpoint.
  const auto size = std::filesystem::file_size(folder.file("float"));
  for (std::uintmax_t keep = 0; keep < size; keep += 97) {
    std::filesystem::copy_file(folder.file("float"), folder.file("cut"),
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(folder.file("cut"), keep);
    CHECK_THROWS_AS(load_checkpoint<float>(folder.file("cut")), FileError);
  }
}

TEST_CASE("a text or tensor inside that does not load leaves everything as it was") {
  const Folder folder;
  const std::string file = folder.file("run");
  train_and_save<float>(file);
  const Checkpoint<float> good = load_checkpoint<float>(file);
  const auto spoilt = [&](const std::function<void(Checkpoint<float>&)>& spoil) {
    Checkpoint<float> checkpoint = good;
    spoil(checkpoint);
    save_checkpoint(file, checkpoint);
    Classifier<float> model(2);
    Adam<float> adam(parameters(model), {.lr = 0.02});
    return refusal(file, model, adam, {}, Accuracy());
  };
  CHECK_THAT(spoilt([](auto& c) { c.state.metrics["accuracy"] = "many"; }),
             Contains("[Accuracy.load_state]"));
  CHECK_THAT(spoilt([](auto& c) { c.state.random["lstm.rng"] = "0"; }), Contains("[Rng::load_state]"));
  CHECK_THAT(spoilt([](auto& c) { c.state.lr = {-1.0}; }), Contains("lr"));
  CHECK_THAT(spoilt([](auto& c) { c.optimizer["head.bias.step"] = Tensor<float>(0.5F); }),
             Contains("whole number"));
}

TEST_CASE("other data than the epoch under way had is refused") {
  const Folder folder;
  const std::string file = folder.file("run");
  Classifier<float> model(1);
  Adam<float> adam(parameters(model), {.lr = 0.02});
  Trainer trainer(model, adam, ClassLoss{}, {.epochs = 2, .checkpoint = file, .progress = false});
  TrainOptions options = trainer.options();
  options.on_step = [&](const StepReport&) { trainer.stop(); };
  trainer.set_options(options);
  const TrainResult result = trainer.fit(BucketedSource<float>(22, 4, 5));
  CHECK_THAT(result.message, Contains("stopped in epoch 1 after 1 of 6 batches (step 1); saved in " + file));
  CHECK_THAT(result.message, Contains("call resume(\"" + file + "\") before fit()"));
  CHECK_THROWS_WITH(trainer.fit(BucketedSource<float>(22, 5, 5)),
                    Contains("source: expected 6 batches, as the epoch under way had, got 5"));
}
