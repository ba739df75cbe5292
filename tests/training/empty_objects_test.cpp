// Objects of the kit that were moved from: every member throws an unroll::Error or answers that nothing is
// there.
#include <catch2/catch.hpp>
#include <cmath>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/scratch.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

#define CHECK_MOVED(...) CHECK_THROWS_WITH(__VA_ARGS__, Contains("moved from"))

// Moved by construction and by assignment.
template <class T, class Check>
void each_moved(const T& object, Check check) {
  T first = object, second = object, target = object;
  [[maybe_unused]] const T gone = std::move(first);
  target = std::move(second);
  check(first);
  check(second);
}

Table small_table() {
  return {"t.csv",
          {"label", "a", "b"},
          {{2, {"x", "1", "2"}, ""}, {3, {"y", "3", "5"}, ""}, {4, {"x", "4", "1"}, ""}}};
}

SequenceDataset<double> small_data() {
  SequenceDataset<double> data;
  data.add(Tensor<double>{{1, 2}, {3, 4}, {5, 7}}, 0);
  data.add(Tensor<double>{{0, 1}}, 1);
  return data;
}

}  // namespace

TEST_CASE("a table that was moved from has nothing and says so") {
  const test::ScratchFolder folder;
  each_moved(small_table(), [&](Table& table) {
    CHECK(table.path().empty());
    CHECK(table.header().empty());
    CHECK(table.size() == 0);
    CHECK_FALSE(table.find("a"));
    CHECK_MOVED(table.column("a"));
    CHECK_MOVED(table.field(0, 0));
    CHECK_MOVED(table.row(0));
    CHECK_MOVED(table.number(0, 0));
    CHECK_MOVED(table.integer(0, 0));
    CHECK_MOVED(table.numbers("a"));
    CHECK_MOVED(table.integers("a"));
    CHECK_MOVED(table.texts("a"));
    CHECK_MOVED(table.matrix<float>({"a"}));
    CHECK_MOVED(table.type("a"));
    CHECK_MOVED(table.without({}));
    CHECK_MOVED(table.where(0));
    CHECK_MOVED(table.fail(0, "bad"));
    CHECK_MOVED(write_table(folder.file("t.csv"), table));
    CHECK_MOVED(read_series(table, "a"));
    CHECK_MOVED(rows_by_value(table, "a"));
    CHECK_MOVED(split_by_column(table, "a"));
    CHECK_MOVED(split_stratified(table, "a", SplitFractions()));
    CHECK_MOVED(encode_table<float>(table));
    CHECK(TimeAxis::of(table).label(0) == "1");
    const Table copy = table;
    CHECK(copy.size() == 0);
  });
  CHECK(folder.files() == 0);
}

TEST_CASE("a data set that was moved from is empty and can be filled again") {
  each_moved(small_data(), [](SequenceDataset<double>& data) {
    CHECK(data.empty());
    CHECK(data.size() == 0);
    CHECK_FALSE(data.has_ids());
    CHECK(data.target_kind() == TargetKind::none);
    CHECK(data.features() + data.target_size() == 0);
    CHECK_THROWS_AS(data.labels(), ArgumentError);
    const Index first[] = {0};
    CHECK(data.select({}).empty());
    CHECK_THROWS_AS(data.select(first), ShapeError);
    CHECK(data.transformed([](std::span<double> values) { CHECK(values.empty()); }).empty());
    CHECK_THROWS_AS(make_batch<double>(data, first), ShapeError);
    CHECK_THROWS_AS(Batches<double>(data), ArgumentError);
    CHECK_THROWS_AS(Standardizer<double>::fit(data), ShapeError);
    SequenceDataset<double> copy = data;
    data.add(std::vector<std::int64_t>{4, 5, 6});
    CHECK(data.size() == 1);
    CHECK(data.ids(0)[2] == 6);
    CHECK(copy.empty());
    copy.add(full<double>({1, 1}, 7.0));
    CHECK(copy.values(0)[0] == 7.0);
    CHECK(data.has_ids());
  });
}

TEST_CASE("batches that were moved from are none") {
  const auto check = [](Batches<double>& batches) {
    CHECK(batches.size() == 0);
    CHECK_MOVED(batches.start_epoch(2));
    CHECK_MOVED(batches.batch(0));
    CHECK(batches.data().empty());
    CHECK(batches.padding().padded_steps == 0);
    CHECK(batches.padding().share() == 0.0);
  };
  each_moved(Batches<double>(small_data(), {.batch_size = 1, .shuffle = true}), check);
  Batches<double> without_data(small_data());
  [[maybe_unused]] const auto data = std::move(without_data).data();
  check(without_data);
}

TEST_CASE("a text stream that was moved from has no windows") {
  each_moved(TextStream({1, 2, 3, 4, 5}, {.batch_size = 2, .window = 1}), [](TextStream& stream) {
    CHECK(stream.size() == 0);
    CHECK(stream.steps() == 0);
    CHECK_NOTHROW(stream.start_epoch(1));
    CHECK_MOVED(stream.batch(0));
  });
}

TEST_CASE("labels and vocabularies that were moved from say so") {
  const std::vector<std::string> names{"ab", "cd"}, one{"ab"};
  const auto check_labels = [&](Labels& labels) {
    CHECK(labels.size() == 0);
    CHECK(labels.names().empty());
    CHECK_MOVED(labels.name(0));
    CHECK_FALSE(labels.find("ab"));
    CHECK_MOVED(labels.encode(one));
    CHECK_MOVED(labels.to_json());
  };
  each_moved(Labels::of(names), check_labels);
  Labels without_names = Labels::of(names);
  [[maybe_unused]] const auto taken = std::move(without_names).names();
  check_labels(without_names);

  const std::int64_t ids[] = {0};
  const auto check_vocabulary = [&](Vocabulary& vocabulary) {
    CHECK(vocabulary.size() == 0);
    CHECK(vocabulary.special_count() == 0);
    CHECK(vocabulary.tokens().empty());
    CHECK_FALSE(vocabulary.find("a"));
    CHECK_FALSE(vocabulary.pad());
    CHECK_FALSE(vocabulary.unknown());
    CHECK_MOVED(vocabulary.encode("a"));
    CHECK_MOVED(vocabulary.decode(ids));
    CHECK_MOVED(vocabulary.to_json());
  };
  each_moved(Vocabulary::of(std::string("aab")), check_vocabulary);
  Vocabulary without_tokens = Vocabulary::of(std::string("aab"));
  [[maybe_unused]] const auto tokens = std::move(without_tokens).tokens();
  check_vocabulary(without_tokens);
}

TEST_CASE("a standardizer that was moved from, or a part of it, says so") {
  const auto check = [](Standardizer<double>& standardizer) {
    CHECK_MOVED(standardizer.transform(Tensor<double>{{1, 2}}));
    CHECK_MOVED(standardizer.transform(Tensor<double>()));
    CHECK_MOVED(standardizer.inverse(Tensor<double>{{1, 2}}));
    CHECK_MOVED(standardizer.transform(small_data()));
    CHECK_MOVED(standardizer.tensors());
    CHECK_MOVED(standardizer.to_json());
  };
  const auto made = Standardizer<double>::fit(small_data());
  each_moved(made, [&](Standardizer<double>& standardizer) {
    CHECK(standardizer.mean().size() + standardizer.scale().size() == 0);
    check(standardizer);
  });
  Standardizer<double> without_scale = made, without_mean = made;
  [[maybe_unused]] const auto scale = std::move(without_scale).scale();
  [[maybe_unused]] const auto mean = std::move(without_mean).mean();
  check(without_scale);
  check(without_mean);
}

TEST_CASE("encoders that were moved from say so") {
  const Table table = small_table();
  const Index rows[] = {0, 1, 2};
  const auto check = [&](TableEncoder<float>& encoder) {
    CHECK(encoder.labels().size() == 0);
    CHECK_FALSE(encoder.reads_text());
    CHECK(encoder.steps() + encoder.features() == 0);
    CHECK_MOVED(encoder.form());
    CHECK_FALSE(encoder.labelled(table));
    CHECK_MOVED(encoder.name(table, 0));
    CHECK_MOVED(encoder.encode(table));
    CHECK_MOVED(encoder.encode(table, rows));
    CHECK_MOVED(encoder.as_table({"1,2"}, "input"));
    CHECK_MOVED(encoder.to_json());
  };
  each_moved(TableEncoder<float>::fit(table, rows, {.numbers = {"a", "b"}}), check);
  each_moved(TableEncoder<float>::fit(table, rows, {.text = "a"}), check);

  TableEncoder<float> parts = TableEncoder<float>::fit(table, rows, {.numbers = {"a", "b"}});
  [[maybe_unused]] const auto standardizer = std::move(parts).standardizer();
  CHECK_MOVED(parts.encode(table));
  CHECK_MOVED(parts.to_json());

  const Series series{{1, 2, 4, 3}, {}, {{"train", 0, 4}}};
  each_moved(SeriesEncoder<double>(series, series.parts[0], 3), [&](SeriesEncoder<double>& encoder) {
    CHECK_NOTHROW(encoder.features());
    CHECK_NOTHROW(encoder.period());
    CHECK_MOVED(encoder.mean());
    CHECK_MOVED(encoder.scale());
    CHECK_MOVED(encoder.encode(1.0, 0));
    CHECK_MOVED(encoder.encode(series, 0, 2));
    CHECK_MOVED(encoder.encode(series, 0, 0));
    CHECK_MOVED(encoder.decode(0.5));
    CHECK_MOVED(encoder.to_json());
  });
}

TEST_CASE("a series that was moved from has no steps") {
  each_moved(Series{{1, 2, 4, 3}, {}, {{"train", 0, 4}}}, [](Series& series) {
    CHECK(series.size() == 0);
    CHECK(series.part("train").size() == 0);
    CHECK_NOTHROW(series.label(series.part("train")));
    CHECK_THROWS_AS(SeriesEncoder<float>(series, {"train", 0, 4}), ShapeError);
    CHECK_THROWS_AS(forecast_plot("", series, {}, 0), ArgumentError);
  });
}

TEST_CASE("a confusion matrix that was moved from has no classes") {
  const Tensor<float> scores{{1, 0, 0}, {0, 1, 0}};
  const IndexTensor labels{0, 1};
  ConfusionMatrix made(3);
  made.update(scores, labels);
  each_moved(made, [&](ConfusionMatrix& matrix) {
    CHECK(matrix.classes() == 0);
    CHECK(matrix.total() == 0);
    CHECK(std::isnan(matrix.accuracy()));
    CHECK(std::isnan(matrix.value()));
    CHECK(matrix.precision(Average::macro) + matrix.recall(Average::micro) == 0.0);
    CHECK(matrix.f1(Average::weighted) == 0.0);
    CHECK_MOVED(matrix.update(scores, labels));
    CHECK_MOVED(matrix.update(labels, labels));
    CHECK_MOVED(matrix.count(0, 0));
    CHECK_MOVED(matrix.precision(0));
    CHECK_MOVED(matrix.recall(0));
    CHECK_MOVED(matrix.f1(0));
    CHECK_MOVED(matrix.table());
    CHECK_MOVED(matrix.state());
    CHECK_MOVED(matrix.load_state("3 0 0 0 0 0 0 0 0 0"));
  });
  each_moved(F1(3), [](F1& f1) { CHECK(f1.value() == 0.0); });
}

TEST_CASE("metadata and writers of archives that were moved from say so") {
  const test::ScratchFolder folder;
  each_moved(Metadata{{"kind", "tagger"}}, [](Metadata& metadata) {
    CHECK(metadata.all().empty());
    CHECK_FALSE(metadata.contains("kind"));
    CHECK_THROWS_AS(metadata.text("kind"), FileError);
    CHECK_THROWS_AS(metadata.parsed<Labels>("kind"), FileError);
    CHECK_NOTHROW(metadata.set("kind", "other"));
  });
  each_moved(NpzWriter(folder.file("a.npz")), [](NpzWriter& writer) {
    CHECK_MOVED(writer.add("x", Tensor<float>{1, 2}));
    CHECK_MOVED(writer.add_metadata({}));
    CHECK_MOVED(writer.commit());
  });
  CHECK(folder.files() == 0);
}

TEST_CASE("a plot that was moved from is empty, and its log says so") {
  const test::ScratchFolder folder;
  each_moved(Plot{"title", {{.title = "panel"}}},
             [&](Plot& plot) { CHECK_THROWS_AS(draw_plot(folder.file("p.svg"), plot), ArgumentError); });
  try {
    require_gnuplot();
  } catch (const FileError&) {
    return;  // no log can be made
  }
  PlotLog made(folder.file("p.svg"));
  const NamedScalar values[] = {{"train/loss", 0.5}};
  made.scalars(1, 1, values);
  each_moved(made, [&](PlotLog& log) {
    CHECK_MOVED(log.scalars(2, 1, values));
    CHECK_MOVED(log.flush());
    CHECK_MOVED(log.resume(1));
    CHECK(log.plot().panels.empty());
  });
}

TEST_CASE("what holds an open file, a lock or a model does not move") {
  STATIC_REQUIRE_FALSE(std::is_move_constructible_v<CsvLog>);
  STATIC_REQUIRE_FALSE(std::is_move_constructible_v<JsonLinesLog>);
  STATIC_REQUIRE_FALSE(std::is_move_constructible_v<Progress>);
  const auto loss = [](Linear<float>& m, const TextBatch&) { return m.weight; };
  STATIC_REQUIRE_FALSE(std::is_move_constructible_v<Trainer<Linear<float>, decltype(loss)>>);
}
