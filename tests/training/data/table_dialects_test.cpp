// Tables as programs of many kinds write them.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "framework/errors.hpp"
#include "tests/training/data/scratch_file.hpp"
#include "training/data/table.hpp"
#include "training/data/text.hpp"

using namespace unroll;
using namespace std::string_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

using Texts = std::vector<std::string>;

Table read(const std::string& text, const TableOptions& options = {}) {
  const ScratchFile file(text);
  return read_table(file.path, options);
}

void refused(const std::string& text, const std::string& message, const TableOptions& options = {}) {
  CAPTURE(text);
  CHECK_THROWS_AS(read(text, options), FileError);
  CHECK_THROWS_WITH(read(text, options), Contains(message));
}

std::string utf16(const std::string& ascii) {
  std::string bytes;
  for (const char c : ascii) bytes += std::string{c, '\0'};
  return bytes;
}

}  // namespace

TEST_CASE("a file of another kind is named for what it is by every reader of text") {
  const struct {
    std::string bytes, kind;
  } cases[] = {
      {"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb"s, "got a gzip file (unpack it: gunzip FILE)"},
      {"\xff\xfe" + utf16("t,price\n1,2.5\n"), "got UTF-16 text (convert it: iconv -f UTF-16 -t UTF-8"},
      {utf16("t,price\n1,2.5\n"), "got UTF-16 text"},
      {"PK\x03\x04"s + std::string(40, '\0'), "got a zip archive"},
      {"%PDF-1.4\n1 0 obj\n", "got a PDF document"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "got a Git LFS pointer"},
      {"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20j\xa8P\x19.", "got a PyTorch file (convert it: python3 -c"},
  };
  for (const auto& c : cases) {
    const ScratchFile file(c.bytes);
    CAPTURE(c.kind);
    CHECK_THROWS_WITH(read_table(file.path),
                      StartsWith(file.path + ": expected a table, ") && Contains(c.kind));
    CHECK_THROWS_WITH(read_text(file.path), StartsWith(file.path + ": expected ") && Contains(c.kind));
    CHECK_THROWS_WITH(read_lines(file.path), StartsWith(file.path + ": expected ") && Contains(c.kind));
  }
  const ScratchFile old_mac("a,b\r1,2\r3,4\r");
  CHECK_THROWS_WITH(read_table(old_mac.path), Contains("got lines that end in CR only"));
  CHECK_THROWS_WITH(read_lines(old_mac.path), Contains("got lines that end in CR only"));
  CHECK(read_text(old_mac.path) == "a,b\r1,2\r3,4\r");  // line ends stay as they are
  const ScratchFile page("<!DOCTYPE html>\n<html><body>404</body></html>\n");
  CHECK_THROWS_WITH(read_table(page.path), Contains("got an HTML page"));
  CHECK(read_text(page.path).size() == 46);  // it is a text, too
  refused("[{\"a\": 1}]", "expected a table, got JSON");
  refused("{\"a\": [1]}", "expected a table, got JSON");
}

TEST_CASE("a table whose names begin as other kinds of files do is a table") {
  for (const std::string first : {"PAR1,PAR2", "BZh1,BZh2", "ARROW1,ARROW2", "GIF8,GIF9", "%PDF-,x"}) {
    CAPTURE(first);
    CHECK(read(first + "\n1,2\n").header()[0] == first.substr(0, first.find(',')));
  }
}

TEST_CASE("bytes of a file are escaped and shortened in messages") {
  CHECK_THROWS_WITH(read("a\x1b[2J,b\n1,2\n").column("x"),
                    Contains("expected a column 'x', got a\\x1b[2J, b"));
  CHECK_THROWS_WITH(read("x\n\x1b[2J\x07\n").numbers("x"), Contains("got '\\x1b[2J\\x07'"));
  CHECK_THROWS_WITH(read("x\n" + std::string(100000, 'a') + "\n").numbers("x"),
                    Contains("aaa...' (100000 bytes)"));
  const std::string name = "no\x1b[2J.csv";
  CHECK_THROWS_WITH(read_table(name), StartsWith("no\\x1b[2J.csv: cannot read the file"));
}

TEST_CASE("lines of nothing or of spaces alone are no rows") {
  const Table table = read("\n\na,b\r\n\n1,2\n  \n3,4\n\r\n\n");
  CHECK(table.header() == Texts{"a", "b"});
  REQUIRE(table.size() == 2);
  CHECK(table.row(0).line == 5);
  CHECK(table.row(1).line == 7);
  CHECK(read("x\n1\n\n2\n \n\n").numbers("x") == std::vector<double>{1, 2});
  CHECK(read("a\tb\n1\t2\n\t\n").size() == 2);  // two fields, empty ones
  CHECK(read("x\n\"\"\n").texts("x") == Texts{""});
  refused("\n \n\n", "expected a header line, got only blank lines");
  refused("a,b\n\n\n", ":1: expected rows after the header, got none");
  refused("a,b\n1,2\n\n3\n", ":4: expected 2 fields (header has 2), got 1");
}

TEST_CASE("a table without a header is told as one, and read as one") {
  const std::string hint = "(no header line? .header = false, or --no-header)";
  refused("1,2\n3,4\n", ":1: expected names of columns, got 1, 2 " + hint);
  refused("0.5\n0.25\n", ":1: expected names of columns, got 0.5 " + hint);
  refused("5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n",
          ":1: expected names of columns, got 5.1,");
  refused("5.1,3.5,\"setosa\"\n4.9,3.0,\"setosa\"\n", ":1: expected names of columns, got 5.1, 3.5, setosa");
  refused("a,b,c,1,1\n1,2,3,4,5\n", "got '1' twice, as columns 4 and 5 " + hint);
  const Table table = read("1,2,a\n3,4,b\n", {.header = false});
  CHECK(table.header() == Texts{"0", "1", "2"});
  CHECK(table.numbers("1") == std::vector<double>{2, 4});
  CHECK(table.row(0).line == 1);
  CHECK(read("1,a\n", {.header = false, .names = {"x", "label"}}).header() == Texts{"x", "label"});
  refused("1,2\n", ":1: expected 1 fields (names given), got 2", {.header = false, .names = {"x"}});
  refused("1,2\n1\n", ":2: expected 2 fields (the first row has 2), got 1", {.header = false});
  // Names that are numbers: years, columns that pandas has numbered, quoted ones, or whoever says so.
  CHECK(read("country,1990,1991\nx,1,2\n").column("1991") == 2);
  CHECK(read("1990,1991,1992,1993,1994,1995\n1,2,3,4,5,6\n").size() == 1);
  CHECK(read("\"1\",\"2\"\n3,4\n").header() == Texts{"1", "2"});
  CHECK(read("1,2\n3,4\n", {.header = true}).header() == Texts{"1", "2"});
}

TEST_CASE("a first row of values is not taken for names, and names that are numbers are") {
  const auto row = [](const std::string& first, const std::string& second) {
    refused(first + "\n" + second + "\n" + second + "\n", ":1: expected names of columns, got ");
  };
  row("100.00,0,R", "90.00,1,M");
  row("5,3,1,setosa", "4,3,1,setosa");
  row("1,7,2,setosa", "4,3,1,virginica");
  row("1,2,3,5,8,13", "2,3,5,8,13,21");
  row("0.10,0.20,0.30,0.40,0.50,0.60", "0.2,0.3,0.4,0.5,0.6,0.7");
  row("2020-01-31,100", "2020-02-01,101");
  row("1/22/20,5,x", "1/23/20,6,y");
  row("2020-01-31 12:30:00,2020-01-31,7,x", "2020-01-31 12:30:00,2020-01-31,7,y");
  row("NA,3", "1,4");
  row("1,2,nan,R", "1,4,5,M");
  row("1e-3,x", "2e-3,y");
  row("0,R", "1,R");  // a name that is a value of its column
  row("39,State-gov,Bachelors,x", "50,Private,Bachelors,y");
  row("a,100.00,b", "c,90.00,d");
  CHECK_THROWS_WITH(
      read("5,setosa\n4,virginica\n").column("label"),
      Contains("expected a column 'label', got 5, setosa (no header line? .header = false, or --no-header)"));
  CHECK_THROWS_WITH(read("0,1\n4,5\n", {.header = false}).column("label"), !Contains("no header line"));
  CHECK_THROWS_WITH(read("a,b\n4,5\n").column("label"), !Contains("no header line"));
  std::string wavelengths = "350.5", values = "1";
  for (int i = 1; i < 30; ++i) {
    wavelengths += "," + std::to_string(350 + i * i) + ".25";
    values += ",1";
  }
  for (const std::string names :
       {"country,1990,1991", "1990,1991,1992", "2020,2015,2010,country", "1990,1995,2000,2001,2002,2010",
        "0,1,2,3,4,5", ",0,1,2", "label,1,2", ",0", "id,10,25,50", "0.5,1,1.5,2,2.5,3",
        "x,2020-01-01,2020-01-02", "Lat,Long,1/22/20,1/23/20", "NA,EU", "a,100,b"}) {
    CAPTURE(names);
    std::string below = "7";
    for (const char c : names) below += c == ',' ? ",7" : "";
    CHECK(read(names + "\n" + below + "\n").size() == 1);
  }
  CHECK(read("word,0,1\nword,1,2\nx,3,4\n").size() == 2);
  CHECK(read(wavelengths + "\n" + values + "\n").size() == 1);
}

TEST_CASE("another delimiter is proposed, and taken") {
  const std::string text = "Month;price\n1949-01;112,5\n1949-02;118\n";
  refused(text,
          ":1: expected several columns, got one, 'Month;price' (does ';' separate? .delimiter = ';', or "
          "--delimiter ';')");
  refused("a|b\n1|2\n", "(does '|' separate?");
  const Table table = read(text, {.delimiter = ';', .decimal = ','});
  CHECK(table.numbers("price") == std::vector<double>{112.5, 118});
  CHECK(read(text, {.decimal = ','}).header() == Texts{"Month", "price"});
  CHECK_THROWS_WITH(read(text, {.delimiter = ';'}).numbers("price"),
                    Contains("got '112,5' (a decimal comma? .decimal = ',', or --decimal ,)"));
  CHECK_THROWS_WITH(read("a;b\n1.5;2\n", {.decimal = ','}).numbers("a"),
                    Contains("got '1.5' (the point is ',' here)"));
  CHECK_THROWS_WITH(read("a,b\n1,2\n", {.delimiter = ';'}).column("a"),
                    Contains("expected a column 'a', got a,b (does ',' separate?"));
  CHECK(read("a;b\n1\n", {.delimiter = ','}).header() == Texts{"a;b"});
  for (const TableOptions& bad :
       {TableOptions{.delimiter = '"'}, TableOptions{.delimiter = '\n'}, TableOptions{.delimiter = '.'},
        TableOptions{.decimal = ';'}, TableOptions{.names = {"a"}},
        TableOptions{.delimiter = ',', .decimal = ','}})
    CHECK_THROWS_AS(read("a,b\n1,2\n", bad), ArgumentError);
}

TEST_CASE("a tab separates columns where it stands outside of quotes in the first record") {
  CHECK(read("\"a\tb\",price\n1,2\n").header() == Texts{"a\tb", "price"});
  CHECK(read("\"a\n\tb\",\"c \"\"\td\"\n1,2\n").header() == Texts{"a\n\tb", "c \"\td"});
  CHECK(read("\"a\nb\"\tc\n1\t2\n").header() == Texts{"a\nb", "c"});
  CHECK(read("\"a,b\"\tc\n1\t2\n").header() == Texts{"a,b", "c"});
  CHECK(read("\xef\xbb\xbf \r\n\n\ta\n0\t2\n").header() == Texts{"", "a"});  // blank lines are no record
  CHECK(read("a,b\n1,\t\n").header() == Texts{"a", "b"});
}

TEST_CASE("numbers are what they are in other programs") {
  const Table table =
      read("x\n+1.176e+03\n1e-400\n-1e-400\n0.0000000001e-320\n5e-324\n.5\n5.\n1.2E+03\n00012\n");
  const std::vector<double> want{1176, 0, -0.0, 0, 5e-324, .5, 5, 1200, 12};
  CHECK(table.numbers("x") == want);
  CHECK(std::signbit(table.numbers("x")[2]));
  CHECK(read("x\n0." + std::string(400, '0') + "1\n").numbers("x") == std::vector<double>{0.0});
  CHECK(read("x\n1" + std::string(400, '0') + "e-400\n").numbers("x") == std::vector<double>{1.0});
  for (const char* large : {"1e400", "-1e400", "1e99999999999"})
    CHECK_THROWS_WITH(read("x\n"s + large + "\n").numbers("x"), Contains("expected a finite number"));
  CHECK(read("x\n1e-99999999999\n").numbers("x") == std::vector<double>{0.0});
  CHECK(read("x\n+12\n").integers("x") == std::vector<std::int64_t>{12});
}

TEST_CASE("a whole number that no double holds is refused where doubles are wanted") {
  const Table ids = read("x\n9007199254740993\n");
  CHECK_THROWS_WITH(ids.numbers("x"), Contains(":2: column 'x': expected a number that a double holds, got "
                                               "'9007199254740993' (integers() reads it)"));
  CHECK(ids.integers("x") == std::vector<std::int64_t>{9007199254740993});
  CHECK(ids.type("x") == ColumnType::integer);
  CHECK(ids.matrix<double>({"x"})(0, 0) == 9007199254740992.0);  // the nearest, as documented
  CHECK(read("x\n9007199254740992\n-18446744073709551616\n0000000000000000000001\n").numbers("x") ==
        std::vector<double>{9007199254740992.0, -18446744073709551616.0, 1});
  CHECK(read("x\n9007199254740993\n0.5\n").type("x") == ColumnType::text);
}

TEST_CASE("missing values are NaN where the options say so") {
  const std::string text = "x,y\n1,a\n,b\nNA,c\nnan,d\n-inf,e\n";
  CHECK_THROWS_WITH(read(text).numbers("x"),
                    Contains(":3: column 'x': expected a finite number, got '' (a missing value? drop the "
                             "row or fill it in; .missing = Missing::nan reads it as NaN)"));
  for (const std::string word : {"NA", "nan", "NULL"})
    CHECK_THROWS_WITH(read("x,y\n1,a\n" + word + ",b\n").matrix<float>({"x"}),
                      Contains("got '" + word + "' (a missing value? drop the row"));
  CHECK_THROWS_WITH(read("x\nmany\n").numbers("x"), !Contains("missing"));
  const Table table = read(text, {.missing = Missing::nan});
  const auto x = table.numbers("x");
  CHECK(x[0] == 1.0);
  for (const std::size_t n : {1U, 2U, 3U}) CHECK(std::isnan(x[n]));
  CHECK(x[4] == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(table.matrix<float>({"x"})(1, 0)));
  CHECK(table.type("x") == ColumnType::number);
  CHECK(table.texts("x")[2] == "NA");
  CHECK_THROWS_AS(table.integers("x"), FileError);
  CHECK_THROWS_AS(table.numbers("y"), FileError);
}

TEST_CASE("names of columns are UTF-8") {
  refused(
      "gr\xf6\xdf"
      "e,x\n1,2\n",
      ":1: column 1: expected a name in UTF-8, got byte 0xf6 at position 3 of 'gr\\xf6\\xdfe'");
  CHECK(read("größe,x\n1,2\n").column("größe") == 0);
}

TEST_CASE("what is written is read as it was: marks, blank fields, names that are numbers") {
  const auto same_again = [](const Table& table) {
    const ScratchFile file("");
    write_table(file.path, table);
    const Table again = read_table(file.path);
    CHECK(again.header() == table.header());
    REQUIRE(again.size() == table.size());
    for (std::size_t n = 0; n < table.size(); ++n) CHECK(again.row(n).fields == table.row(n).fields);
  };
  same_again(Table("mine", {"\xef\xbb\xbfyear", "x"}, {{2, {"\xef\xbb\xbf", "2"}}}));
  same_again(read("\xef\xbb\xbf\xef\xbb\xbfyear,month,x\n1990,1,5\n"));
  same_again(Table("mine", {"x"}, {{2, {""}}, {3, {"1"}}, {4, {"  "}}, {5, {"\t"}}}));
  same_again(Table("mine", {"0", "1"}, {{2, {"3", "4"}}}));
  same_again(Table("mine", {"1.5", "x"}, {{2, {"3", "4"}}}));
  same_again(Table("mine", {"a;b"}, {{2, {"3;4"}}}));
  same_again(Table("mine", {""}, {{2, {"x"}}}));
  same_again(Table("mine", {"a\tb", "price"}, {{2, {"1", "2"}}}));
  same_again(Table("mine", {"a\nb\tc"}, {{2, {"1"}}}));
  same_again(Table("mine", {"a\n", "b\tc", "d\r\n\te"}, {{2, {"x\t\"y\"", "\n", "\r"}}}));
  same_again(Table("mine", {"[[a", "b"}, {{2, {"1", "2"}}}));
  same_again(Table("mine", {"1", "R"}, {{2, {"1", "R"}}}));
  same_again(Table("mine", {"PAR1", "b"}, {{2, {"\x01", "2"}}}));
  same_again(Table("mine", {"<html", "b"}, {{2, {"1", "2"}}}));
  same_again(Table("mine", {"{"}, {{2, {"i999,1,traiid"}}, {3, {"20025,,test"}}}));
  same_again(Table("mine", {"0"}, {{2, {"\0\2\0"s}}}));
}

TEST_CASE("columns are left out by name") {
  const ScratchFile file("year,x,y\n1990,1,2\n\n1991,3,\"4\n\"\n1992,5,6\n");
  const Table table = read_table(file.path).without(Texts{"year"});
  CHECK(table.header() == Texts{"x", "y"});
  CHECK(table.row(1).fields == Texts{"3", "4\n"});
  CHECK(table.where(2) == file.path + ":6");
  CHECK_THROWS_WITH(table.without(Texts{"year"}), Contains("expected a column 'year', got x, y"));
  CHECK_THROWS_AS(table.without(Texts{"x", "y"}), FileError);
  CHECK(table.without({}).header() == table.header());
}

TEST_CASE("a table of very many columns is read in a moment") {
  std::string text;
  for (int i = 0; i < 150000; ++i) text += (i > 0 ? ",c" : "c") + std::to_string(i);
  const Table table = read(text + "\n" + std::string(149999, ',') + "\n");
  CHECK(table.column("c149999") == 149999);
  CHECK_THROWS_WITH(table.column("x"),
                    Contains("expected a column 'x', got c0, c1, ") && Contains("... (150000)"));
}
