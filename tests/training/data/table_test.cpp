#include "training/data/table.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "framework/errors.hpp"
#include "tests/training/data/same.hpp"
#include "tests/training/data/scratch_file.hpp"

using namespace unroll;
using Catch::Matchers::StartsWith;

namespace {

using Texts = std::vector<std::string>;

void refuses(const std::string& text, const std::string& message) {
  CAPTURE(text);
  const ScratchFile file(text);
  CHECK_THROWS_AS(read_table(file.path), FileError);
  CHECK_THROWS_WITH(read_table(file.path), file.path + message);
}

}  // namespace

TEST_CASE("a table has a header, rows and line numbers") {
  const ScratchFile file("split,year,sst\ntrain,1950,23.11\ntest,-2e-1,\n");
  const Table table = read_table(file.path);
  CHECK(table.path() == file.path);
  CHECK(table.header() == std::vector<std::string>{"split", "year", "sst"});
  REQUIRE(table.size() == 2);
  CHECK(table.row(0).line == 2);
  CHECK(table.row(0).fields == Texts{"train", "1950", "23.11"});
  CHECK(table.row(1).line == 3);
  CHECK(table.row(1).fields == Texts{"test", "-2e-1", ""});
  CHECK(table.row(1).file.empty());
  CHECK(table.field(0, 1) == "1950");
  CHECK(table.column("sst") == 2);
  CHECK(table.find("sst") == 2U);
  CHECK_FALSE(table.find("SST"));
  CHECK(table.number(0, 2) == 23.11);
  CHECK(table.number(1, 1) == -0.2);
  CHECK(table.where(1) == file.path + ":3");
  CHECK_THROWS_AS(table.row(2), ShapeError);
  CHECK_THROWS_AS(table.field(0, 3), ShapeError);
  CHECK_THROWS_AS(table.number(2, 0), ShapeError);
  CHECK_THROWS_AS(table.where(2), ShapeError);
}

TEST_CASE("what a table that goes away has given stays") {
  const ScratchFile file("name,x\nann,1\nbob,2\n");
  std::string names;
  for (const auto& name : read_table(file.path).header()) names += name + " ";
  CHECK(names == "name x ");
  const auto& path = read_table(file.path).path();
  CHECK(path == file.path);
  const auto field = read_table(file.path).field(1, 0);
  CHECK(field == "bob");
}

TEST_CASE("tabs, Windows line ends, a byte order mark and a missing last line end are read") {
  const ScratchFile file("\xef\xbb\xbfsplit\tword, of all\r\ntrain\tmañana, día\r\ntest\ta,b");
  const Table table = read_table(file.path);
  CHECK(table.header() == std::vector<std::string>{"split", "word, of all"});
  CHECK(table.row(0).fields == std::vector<std::string>{"train", "mañana, día"});
  CHECK(table.row(1).fields == std::vector<std::string>{"test", "a,b"});
  CHECK(read_table(file.path, {.delimiter = ','}).header().size() == 2);  // now the tab is part of a name
  CHECK(read_table(file.path, {.delimiter = ','}).header()[0] == "split\tword");
}

TEST_CASE("a quoted field holds delimiters, quotes and line ends") {
  const ScratchFile file("a,\"b \"\"c\"\"\"\n\"1,5\",\"x\ny\"\n\"\",2\n");
  const Table table = read_table(file.path);
  CHECK(table.header() == std::vector<std::string>{"a", "b \"c\""});
  REQUIRE(table.size() == 2);
  CHECK(table.row(0).fields == std::vector<std::string>{"1,5", "x\ny"});
  CHECK(table.row(1).fields == std::vector<std::string>{"", "2"});
  CHECK(table.row(1).line == 4);  // the row before took two lines
}

TEST_CASE("tables that are not whole are refused with file and line") {
  refuses("", ": expected a header line, got an empty file");
  refuses("a,b\n", ":1: expected rows after the header, got none");
  refuses("a,b,c,d\n1,2,3,4\n1,2,3\n", ":3: expected 4 fields (header has 4), got 3");
  refuses("a,b\n1,2,3\n", ":2: expected 2 fields (header has 2), got 3");
  refuses("a,b\n1\t2\n", ":2: expected 2 fields (header has 2), got 1");
  refuses("a,b,a\n1,2,3\n",
          ":1: expected columns with distinct names, got 'a' twice, as columns 1 and 3 (no header line? "
          ".header = false, or --no-header)");
  refuses("a,b\n1,2\n\"x,3\n4,5\n", ":3: expected a closing quote, got the end of the file");
  refuses("a,b\n1,x\"y\"\n", ":2: expected quotes around a whole field, got one inside");
  refuses("a,b\n1,2\n\"x\"y,3\n",
          ":3: expected a delimiter or the end of the line after a quoted field, got more");
}

TEST_CASE("a missing file, a folder and a missing column are refused") {
  CHECK_THROWS_AS(read_table("/no/such/file.csv"), FileError);
  CHECK_THROWS_WITH(read_table("/no/such/file.csv"),
                    "/no/such/file.csv: cannot read the file: No such file or directory");
  const std::string folder = std::filesystem::temp_directory_path().string();
  CHECK_THROWS_WITH(read_table(folder), folder + ": expected a file, got a directory");
  const ScratchFile file("split,year\ntrain,1\n");
  const Table table = read_table(file.path);
  CHECK_THROWS_AS(table.column("sst"), FileError);
  CHECK_THROWS_WITH(table.column("sst"), file.path + ":1: expected a column 'sst', got split, year");
}

TEST_CASE("a field that is no finite number is refused") {
  for (const char* bad : {"", "x", "1.5x", " 1", "1 ", "++1", "+-1", "+", "nan", "NaN", "inf", "-inf",
                          "infinity", "1e999", "0x10", "--1", "1e", "."}) {
    CAPTURE(bad);
    const ScratchFile file(std::string("year,sst\n1950,1\n1951,\"") + bad + "\"\n");
    const Table table = read_table(file.path);
    CHECK(table.number(1, 0) == 1951.0);
    CHECK_THROWS_AS(table.number(1, 1), FileError);
    CHECK_THROWS_WITH(
        table.number(1, 1),
        StartsWith(file.path + ":3: column 'sst': expected a finite number, got '" + bad + "'"));
  }
}

TEST_CASE("the tables shipped with the examples are whole") {
  const std::string folder = UNROLL_SOURCE_DIR "/examples/data/";
  CHECK(read_table(folder + "digits.csv").size() == 1797);
  const Table sst = read_table(folder + "elnino_sst.csv");
  for (const double celsius : sst.numbers("sst")) CHECK(celsius > 10.0);
  for (const char* language : {"en", "es", "nl", "pl"}) {
    const Table words = read_table(folder + "words/" + language + ".tsv");
    CHECK(words.size() == 4000);
    CHECK(words.column("ascii") == 2);
  }
}

TEST_CASE("a column is read as numbers, whole numbers or texts, and several as a matrix") {
  const ScratchFile file("name,year,value\nann,1950,1.5\nbob,-7,-2e3\n");
  const Table table = read_table(file.path);
  CHECK(table.size() == 2);
  CHECK(table.numbers("value") == std::vector<double>{1.5, -2000.0});
  CHECK(table.integers("year") == std::vector<std::int64_t>{1950, -7});
  CHECK(table.texts("name") == std::vector<std::string>{"ann", "bob"});
  const Tensor<float> matrix = table.matrix<float>({"value", "year"});
  CHECK(matrix.shape() == Shape{2, 2});
  CHECK(same(matrix, Tensor<float>{{1.5F, 1950.0F}, {-2000.0F, -7.0F}}));
  CHECK(table.matrix<double>({}).shape() == Shape{2, 0});
  CHECK(table.type("year") == ColumnType::integer);
  CHECK(table.type("value") == ColumnType::number);
  CHECK(table.type("name") == ColumnType::text);
  CHECK_THROWS_WITH(table.numbers("x"), file.path + ":1: expected a column 'x', got name, year, value");
  CHECK_THROWS_AS(table.type("x"), FileError);
}

TEST_CASE("a column's first field of another type is named with file, line and column") {
  const ScratchFile file("x,n\n1,1\nn/a,2.5\n1e39,9223372036854775808\n");
  const Table table = read_table(file.path);
  CHECK_THROWS_AS(table.numbers("x"), FileError);
  CHECK_THROWS_WITH(table.numbers("x"),
                    StartsWith(file.path + ":3: column 'x': expected a finite number, got 'n/a'"));
  CHECK_THROWS_WITH(table.matrix<double>({"n", "x"}),
                    StartsWith(file.path + ":3: column 'x': expected a finite number, got 'n/a'"));
  CHECK_THROWS_WITH(table.integers("n"), file.path + ":3: column 'n': expected a whole number, got '2.5'");
  CHECK_THROWS_WITH(table.integer(2, 1),
                    file.path + ":4: column 'n': expected a whole number, got '9223372036854775808'");
  for (const char* bad : {"", " 1", "1 ", "++1", "1.0", "1e3", "0x1"}) {
    CAPTURE(bad);
    const ScratchFile other(std::string("n\n\"") + bad + "\"\n");
    CHECK_THROWS_AS(read_table(other.path).integers("n"), FileError);
  }
  const ScratchFile large("x\n1e39\n");
  CHECK(read_table(large.path).matrix<double>({"x"})(0, 0) == 1e39);
  CHECK_THROWS_WITH(read_table(large.path).matrix<float>({"x"}),
                    large.path + ":2: column 'x': expected a number that fits a float, got '1e39'");
}

TEST_CASE("a column of texts that are not UTF-8 is refused with its line") {
  const ScratchFile file("name,x\nann,1\nJos\xe9,2\n");
  const Table table = read_table(file.path);
  CHECK(table.integers("x") == std::vector<std::int64_t>{1, 2});
  CHECK_THROWS_AS(table.texts("name"), FileError);
  CHECK_THROWS_WITH(table.texts("name"),
                    file.path + ":3: column 'name': expected UTF-8, got byte 0xe9 at position 4");
}

TEST_CASE("the tables of a folder are one table that says which file a row is from") {
  namespace fs = std::filesystem;
  const ScratchFile place("");
  const fs::path folder = place.path + ".folder";
  fs::create_directory(folder);
  const auto write = [&](const char* name, const char* text) { std::ofstream(folder / name) << text; };
  write("pl.tsv", "split\tword\ntrain\tdom\ntest\tpies\n");
  write("en.csv", "split,word\ntrain,house\n");
  write("notes.txt", "not a table");
  const Table table = read_tables(folder.string(), "language");
  CHECK(table.header() == std::vector<std::string>{"language", "split", "word"});
  CHECK(table.texts("language") == std::vector<std::string>{"en", "pl", "pl"});
  CHECK(table.texts("word") == std::vector<std::string>{"house", "dom", "pies"});
  CHECK(table.where(2) == (folder / "pl.tsv").string() + ":3");
  CHECK_THROWS_WITH(table.number(1, 2),
                    (folder / "pl.tsv").string() + ":2: column 'word': expected a finite number, got 'dom'");
  CHECK_THROWS_WITH(read_tables(folder.string(), "word"), Catch::Contains("en.csv:1: expected the columns"));
  write("nl.csv", "word,split\nhuis,train\n");
  CHECK_THROWS_WITH(read_tables(folder.string(), "language"),
                    (folder / "nl.csv").string() + ":1: expected the columns split, word, as in " +
                        (folder / "en.csv").string() + ", and no 'language', got word, split");
  fs::remove_all(folder);
  CHECK_THROWS_WITH(
      read_tables(folder.string(), "language"),
      folder.string() + ": expected a folder of .csv or .tsv files, got: No such file or directory");
  fs::create_directory(folder);
  CHECK_THROWS_WITH(read_tables(folder.string(), "language"),
                    folder.string() + ": expected a folder of .csv or .tsv files, got: none");
  fs::remove_all(folder);
}

TEST_CASE("a table that is written is read as it was") {
  const Table table("mine", {"plain", "quo\"ted", "with, comma"},
                    {{2, {"a", "", "1.5"}}, {3, {"x\ty", "two\nlines", "\"\""}}, {4, {" ", "\r", "é"}}});
  for (const char* extension : {".csv", ".tsv"}) {
    const ScratchFile file("old", extension);
    write_table(file.path, table);
    const Table again = read_table(file.path);
    CHECK(again.header() == table.header());
    REQUIRE(again.size() == table.size());
    for (std::size_t i = 0; i < table.size(); ++i) CHECK(again.row(i).fields == table.row(i).fields);
    std::ifstream in(file.path);
    std::string header;
    std::getline(in, header);
    CHECK(header == (extension[1] == 'c' ? "plain,\"quo\"\"ted\",\"with, comma\""
                                         : "plain\t\"quo\"\"ted\"\t\"with, comma\""));
  }
  CHECK_THROWS_WITH(write_table("no/such/folder/t.csv", table), Catch::Contains("no/such/folder/t.csv"));
  const ScratchFile file("old\n1\n");
  CHECK_THROWS_WITH(Table("mine", {"a", "b"}, {{2, {"1"}}}),
                    "[Table] rows: expected 2 fields (as the header), got 1");
  CHECK(read_table(file.path, {.delimiter = ','}).header() == std::vector<std::string>{"old"});
}
