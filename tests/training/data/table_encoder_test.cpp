#include "training/data/table_encoder.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "framework/errors.hpp"
#include "tests/training/data/same.hpp"
#include "tests/training/data/scratch_file.hpp"
#include "training/models/metadata.hpp"

using namespace unroll;
using Catch::Matchers::Contains;

namespace {

using Ids = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

Ids ids_of(const SequenceDataset<double>& data, std::size_t i) {
  return Ids(data.ids(i).begin(), data.ids(i).end());
}
std::vector<double> values_of(const SequenceDataset<double>& data, std::size_t i) {
  return std::vector<double>(data.values(i).begin(), data.values(i).end());
}

const std::string kTexts =
    "split,label,text\ntrain,up,aab\nvalid,up,a\ntrain,down,ba\ntest,down,c\ntrain,down,aaa\n";
const std::string kNumbers =
    "label,a,split,b,c,d\nx,1,train,10,3,30\ny,5,train,50,7,70\nx,4,valid,40,4,0\ny,0,valid,0,0,40\n";

}  // namespace

TEST_CASE("a table of texts becomes data sets of ids with classes, part by part") {
  const ScratchFile file(kTexts);
  const auto data = encode_table<double>(read_table(file.path), {.text = "text"});
  CHECK(data.encoder.labels().names() == Texts{"down", "up"});
  CHECK(data.encoder.reads_text());
  CHECK(data.encoder.vocabulary()->tokens() == Texts{"a", "b", "c"});  // of all rows, a the most frequent
  REQUIRE(data.train.size() == 3);
  REQUIRE(data.valid.size() == 1);
  REQUIRE(data.test.size() == 1);
  CHECK(ids_of(data.train, 0) == Ids{0, 0, 1});
  CHECK(ids_of(data.train, 1) == Ids{1, 0});
  CHECK(ids_of(data.test, 0) == Ids{2});
  CHECK(data.train.labels() == Ids{1, 0, 0});
  CHECK(data.valid.labels() == Ids{1});
  CHECK(to_string(data) == "3 train, 1 valid, 1 test rows of texts of 3 characters; 2 classes: down, up");
}

TEST_CASE("a table of numbers becomes steps, standardised by the training rows") {
  const ScratchFile file(kNumbers);
  const Table table = read_table(file.path);
  // Two steps of two: (a,b), (c,d). The first feature is 1 3 5 7 in the training rows, the second 10 30 50
  // 70: means 4 and 40, deviations sqrt(5) and 10 sqrt(5).
  const auto data = encode_table<double>(table, {.steps = 2});
  CHECK_FALSE(data.encoder.reads_text());
  CHECK(data.encoder.steps() == 2);
  CHECK(data.encoder.features() == 2);
  const double s = std::sqrt(5.0);
  REQUIRE(data.valid.size() == 2);
  const auto valid = values_of(data.valid, 0);
  const double want[] = {0.0, 0.0, 0.0, -4.0 / s};
  for (std::size_t i = 0; i < 4; ++i) CHECK(valid[i] == Approx(want[i]).margin(1e-14));
  CHECK(values_of(data.train, 0)[0] == Approx(-3.0 / s).epsilon(1e-14));
  CHECK(data.test.empty());
  // Every number is a step of its own; columns by name, in that order; a standardizer that is given.
  CHECK(encode_table<double>(table).encoder.steps() == 4);
  const Standardizer<double> half(zeros<double>({1}), full<double>({1}, 2.0));
  const auto chosen = encode_table<double>(table, {.numbers = {"d", "a"}, .standardizer = half});
  CHECK(values_of(chosen.train, 0) == std::vector<double>{15.0, 0.5});
}

TEST_CASE("an encoder that has been saved reads further rows as before, labelled or not") {
  const ScratchFile file(kNumbers), texts(kTexts);
  for (const auto& columns : {TableColumns<double>{.steps = 2}, TableColumns<double>{.text = "text"}}) {
    const Table table = read_table(columns.text.empty() ? file.path : texts.path);
    const auto data = encode_table<double>(table, columns);
    Metadata metadata;
    metadata.set("encoder", data.encoder.to_json());
    const auto again = metadata.parsed<TableEncoder<double>>("encoder");
    CHECK(again.to_json() == data.encoder.to_json());
    CHECK(again.form() == data.encoder.form());
    const auto all = again.encode(table);
    REQUIRE(all.size() == table.size());
    CHECK(ids_of(all, 0) == ids_of(data.train, 0));
    CHECK(values_of(all, 0) == values_of(data.train, 0));
    CHECK(all.labels(0)[0] == data.train.labels(0)[0]);
  }
  // By the columns' names, wherever they are.
  const auto numbers = encode_table<double>(read_table(file.path), {.steps = 2}).encoder;
  const ScratchFile other("d,c,b,a\n30,3,10,1\n");
  const Table unlabelled = read_table(other.path);
  CHECK_FALSE(numbers.labelled(unlabelled));
  const auto row = numbers.encode(unlabelled);
  CHECK(row.target_kind() == TargetKind::none);
  CHECK(values_of(row, 0) == values_of(numbers.encode(read_table(file.path)), 0));
  CHECK(numbers.name(unlabelled, 0) == other.path + ":2");
  // And of no file.
  const Table typed = numbers.as_table({"1,10,3,30", "1 10\t3, 30"}, "item");
  CHECK(values_of(numbers.encode(typed), 1) == values_of(row, 0));
  CHECK(numbers.name(typed, 1) == "item:2");
  CHECK_THROWS_WITH(numbers.as_table({"1,2,3,4", "1,2,3"}, "item"),
                    "item:2: expected 4 numbers (2 steps of 2), got 3");
  CHECK_THROWS_WITH(numbers.encode(numbers.as_table({"1,2,x,4"}, "item")),
                    "item:1: column 'c': expected a finite number, got 'x'");
  CHECK_THROWS_WITH(numbers.as_table({}, "standard input"), "standard input: expected rows, got none");
  const auto letters = encode_table<double>(read_table(texts.path), {.text = "text"}).encoder;
  const Table typed_texts = letters.as_table({"ab", "cab"}, "item");
  CHECK(ids_of(letters.encode(typed_texts), 1) == Ids{2, 0, 1});
  CHECK(letters.name(typed_texts, 1) == "cab");
  CHECK_THROWS_WITH(letters.encode(letters.as_table({"a", "ax"}, "item")),
                    Catch::Matchers::StartsWith("item:2: 'ax': [Vocabulary.encode]"));
}

TEST_CASE("without a column of parts the rows of every label are cut by a hash of their fields") {
  std::string text = "label,text\n";
  for (int i = 0; i < 40; ++i)
    text += (i % 2 ? "b," : "a,") + std::string(1, static_cast<char>('A' + i)) + "\n";
  const ScratchFile file(text);
  const Table table = read_table(file.path);
  const Split split = split_stratified(table, "label", {.valid = 0.2, .test = 0.1});
  CHECK(split.train.size() == 28);
  CHECK(split.valid.size() == 8);
  CHECK(split.test.size() == 4);
  for (const auto* part : {&split.train, &split.valid, &split.test}) {
    std::size_t odd = 0;
    for (const Index row : *part) odd += static_cast<std::size_t>(row % 2);
    CHECK(2 * odd == part->size());
  }
  const auto data = encode_table<float>(table, {.shares = {.valid = 0.2, .test = 0.1}, .text = "text"});
  CHECK(data.valid.size() == 8);
  // The rows decide, not where they stand.
  std::string turned = "label,text\n";
  for (int i = 39; i >= 0; --i)
    turned += table.row(static_cast<std::size_t>(i)).fields[0] + "," +
              table.row(static_cast<std::size_t>(i)).fields[1] + "\n";
  const ScratchFile back(turned);
  std::vector<Index> want;
  for (const Index row : split.test) want.insert(want.begin(), 39 - row);
  CHECK(split_stratified(read_table(back.path), "label", {.valid = 0.2, .test = 0.1}).test == want);
}

TEST_CASE("rows and columns that cannot be encoded are refused with file and line") {
  const auto refused = [](const std::string& text, const std::string& message,
                          const TableColumns<float>& columns = {.text = "text"}) {
    const ScratchFile file(text);
    CAPTURE(text);
    CHECK_THROWS_WITH(encode_table<float>(read_table(file.path), columns), Contains(message));
  };
  const std::string head = "split,label,text\ntrain,a,x\n";
  refused("class,text\na,x\n", ":1: expected a column 'label', got class, text");
  refused("label\na\n", ": header: expected columns of a sequence besides 'label', got none", {});
  refused("label,word\na,x\n", ":1: expected a column 'text', got label, word");
  refused(head + "train,b,y\n", ": expected at least one valid row, got none");
  refused("split,label,text\nvalid,a,x\n", ": expected at least one train row, got none");
  refused(head + "valid,a,x\n",
          ": training rows: [Labels] labels: expected at least 2 different labels, got 1");
  refused(head + "train,,y\nvalid,a,x\n", ":3: label: expected a text, got none");
  refused(head + "train,b,y\nvalid,c,x\n", ":4: label: expected one of the training rows' (a, b), got 'c'");
  refused(head + "train,b,\nvalid,a,x\n", ":3: text: expected at least one character, got none");
  refused(head + "train,b,\xc3\nvalid,a,x\n", ":3: column 'text': expected UTF-8");
  refused("label,text\na,x\nb,y\n",
          ": [split_stratified] valid: expected at least one sample for a share of 0.15");
  refused("label,text\na,x\nb,y\n", "steps: expected numeric columns", {.text = "text", .steps = 3});
  const std::string numbers = "split,label,x,y\ntrain,a,1,2\ntrain,b,3,4\nvalid,a,1,2\n";
  refused(numbers + "valid,a,1,two\n", ":5: column 'y': expected a finite number, got 'two'", {});
  refused(numbers + "valid,a,1,1e300\n", ":5: column 'y': expected a number that fits a float", {});
  refused(numbers, "steps: expected a divisor of the 2 numeric columns, got 3", {.steps = 3});
  refused(head + "train,b,y\nvalid,a,x\n", "steps: expected numeric columns, got the text column 'text'",
          {.text = "text", .steps = 1});
  refused(numbers, "standardizer: expected 2 features (values per step), got 1",
          {.steps = 1, .standardizer = Standardizer<float>(zeros<float>({1}), full<float>({1}, 1.0F))});
}

TEST_CASE("an encoder's text that is none is refused, in a model's file with its name") {
  const ScratchFile file(kNumbers);
  const std::string good = encode_table<float>(read_table(file.path), {.steps = 2}).encoder.to_json();
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    REQUIRE(text.find(from) != std::string::npos);
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& bad :
       {std::string(), std::string("[]"), std::string("{}"), good.substr(0, good.size() - 1),
        changed("\"labels\"", "\"label_\""), changed("\"steps\":2", "\"steps\":3"),
        changed("\"steps\":2", "\"steps\":0"), changed("\"steps\":2", "\"steps\":4"),
        changed("\"label\":\"label\"", "\"label\":1"), changed("[\"a\",", "[1,"),
        changed("\"mean\"", "\"means\"")}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(TableEncoder<float>::from_json(bad), ArgumentError);
    const Metadata metadata({{"encoder", bad}}, "m.safetensors");
    CHECK_THROWS_AS(metadata.parsed<TableEncoder<float>>("encoder"), FileError);
    CHECK_THROWS_WITH(metadata.parsed<TableEncoder<float>>("encoder"),
                      Contains("m.safetensors: 'encoder': ["));
  }
}
