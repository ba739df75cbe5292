#include "training/tensorboard/tensorboard_log.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <limits>

#include "framework/atomic_file.hpp"
#include "tests/training/logs/log_values.hpp"
#include "tests/training/tensorboard/wire.hpp"

using namespace unroll;
using namespace unroll::wire::event;
using unroll::wire::Message;

namespace {

std::vector<Message> events_of(const TensorBoardLog& log) { return wire::events(file_text(log.path())); }

// "step tag=value" for every scalar, "begin step" where readers forget what is from that step on.
std::vector<std::string> story(const std::string& file) {
  std::vector<std::string> lines;
  for (const Message& event : wire::events(file_text(file))) {
    const std::string step = std::to_string(event.integer(kStep));
    if (event.has(kSessionLog)) lines.push_back("begin " + step);
    if (!event.has(kSummary)) continue;
    const Message summary = event.message(kSummary);
    for (const std::string& bytes : summary.fields.at(kSummaryValue)) {
      const Message value(bytes);
      char text[64];
      std::snprintf(text, sizeof text, "=%g", static_cast<double>(value.real32(kSimpleValue)));
      lines.push_back(step + " " + value.bytes(kTag) + text);
    }
  }
  return lines;
}

void log(TensorBoardLog& to, std::int64_t step, const std::vector<NamedScalar>& values) {
  to.scalars(step, 1, values);
}

std::size_t files_in(const ScratchFolder& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.path("")), {}));
}

}  // namespace

TEST_CASE("an event file begins as TensorFlow's do, and has one event for every call") {
  const ScratchFolder folder;
  const double before = time_in_log();
  TensorBoardLog to(folder.path("runs/a"));
  log(to, 1, {{"train/loss", 0.1}, {"lr", -2.5}});
  CHECK(has(to.path(), folder.path("runs/a") + "/events.out.tfevents."));
  CHECK(file_text(to.path()).starts_with(std::string("\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\x09", 13)));
  log(to, std::int64_t{1} << 40, {{"train/loss", std::nan("")}});
  log(to, 3, {});
  to.flush();
  const double after = time_in_log();

  const auto events = events_of(to);
  REQUIRE(events.size() == 4);
  CHECK(events[0].bytes(kFileVersion) == "brain.Event:2");
  CHECK(events[1].message(kSessionLog).integer(1) == 1);  // START
  CHECK(events[1].integer(kStep) == 0);
  CHECK(events[2].integer(kStep) == 1);
  const Message summary = events[2].message(kSummary);
  REQUIRE(summary.fields.at(kSummaryValue).size() == 2);
  const Message loss(summary.fields.at(kSummaryValue)[0]), lr(summary.fields.at(kSummaryValue)[1]);
  CHECK(loss.bytes(kTag) == "train/loss");
  CHECK(loss.real32(kSimpleValue) == 0.1F);
  CHECK(lr.bytes(kTag) == "lr");
  CHECK(lr.real32(kSimpleValue) == -2.5F);
  CHECK(events[3].integer(kStep) == std::int64_t{1} << 40);
  CHECK(std::isnan(events[3].message(kSummary).message(kSummaryValue).real32(kSimpleValue)));
  for (const Message& event : events) {
    CHECK(event.real(kWallTime) >= before);
    CHECK(event.real(kWallTime) <= after);
  }
}

TEST_CASE("a histogram has its moments and its buckets in TensorBoard's fields") {
  const ScratchFolder folder;
  TensorBoardLog to(folder.path(""));
  const float inf = std::numeric_limits<float>::infinity();
  to.histogram(7, "gru/weight", std::vector<float>{-1.5F, 0.25F, 0.25F, inf});
  to.histogram(8, "gru/weight", std::vector<float>{std::nanf("")});
  to.histogram(9, "gru/weight", {});
  const auto events = events_of(to);
  REQUIRE(events.size() == 4);
  CHECK(events[2].integer(kStep) == 7);
  const auto values = events[2].message(kSummary).fields.at(kSummaryValue);
  REQUIRE(values.size() == 2);
  const Message value(values[0]), nonfinite(values[1]);
  CHECK(value.bytes(kTag) == "gru/weight");
  const Message histogram = value.message(kHisto);
  CHECK(histogram.real(1) == -1.5);
  CHECK(histogram.real(2) == 0.25);
  CHECK(histogram.real(3) == 3.0);
  CHECK(histogram.real(4) == -1.0);
  CHECK(histogram.real(5) == 2.375);
  const auto limits = histogram.packed(6), counts = histogram.packed(7);
  REQUIRE(limits.size() == 5);
  CHECK(limits[0] < -1.5);
  CHECK(limits[1] > -1.5);
  CHECK(limits[2] <= 0.25);
  CHECK(limits[3] > 0.25);
  CHECK(counts == std::vector<double>{0, 1, 0, 2, 0});
  CHECK(nonfinite.bytes(kTag) == "gru/weight/nonfinite");
  CHECK(nonfinite.real32(kSimpleValue) == 1.0F);
  CHECK(Message(events[3].message(kSummary).bytes(kSummaryValue)).bytes(kTag) == "gru/weight/nonfinite");
}

TEST_CASE("a text is a string tensor for the text plugin, shown as it is or as Markdown") {
  const ScratchFolder folder;
  TensorBoardLog plain(folder.path("a")), markdown(folder.path("b"), {.markdown = true});
  plain.text(0, "model", "one  two\n# three");
  markdown.text(2, "note", "# title\n*\xc3\xa9*");
  const Message value = events_of(plain).at(2).message(kSummary).message(kSummaryValue);
  CHECK(value.bytes(kTag) == "model");
  CHECK(value.message(kMetadata).message(1).bytes(1) == "text");
  CHECK(value.message(kMetadata).integer(4) == 2);  // a tensor
  const Message tensor = value.message(kTensor);
  CHECK(tensor.integer(1) == 7);   // of strings
  CHECK(tensor.bytes(2).empty());  // without dimensions
  CHECK(tensor.bytes(8) == "    one  two\n    # three");
  const Message note = events_of(markdown).at(2);
  CHECK(note.integer(kStep) == 2);
  CHECK(note.message(kSummary).message(kSummaryValue).message(kTensor).bytes(8) == "# title\n*\xc3\xa9*");
}

TEST_CASE("protoc reads an event, too") {
  const ScratchFolder folder;
  TensorBoardLog to(folder.path("a"));
  log(to, 300, {{"train/loss", 0.5}});
  to.text(4, "model summary", "text");
  const auto records = wire::records(file_text(to.path()));
  const auto raw = [&](std::size_t i) {
    const std::string command =
        "protoc --decode_raw < '" + folder.write("event", records.at(i)) + "' > '" + folder.path("out") + "'";
    REQUIRE(std::system(command.c_str()) == 0);
    return file_text(folder.path("out"));
  };
  CHECK(has(raw(0), "3: \"brain.Event:2\"\n"));
  CHECK(has(raw(2), "\n2: 300\n5 {\n  1 {\n    1: \"train/loss\"\n    2: 0x3f000000\n  }\n}\n"));
  CHECK(
      has(raw(3),
          "\n2: 4\n5 {\n  1 {\n    1: \"model summary\"\n    8 {\n      1: 7\n      2: \"\"\n      8: \"    "
          "text\"\n    }\n"
          "    9 {\n      1 {\n        1: \"text\"\n      }\n      4: 2\n    }\n  }\n}\n"));
}

TEST_CASE("a resumed run removes later events and torn ones, and goes on in a file of its own") {
  const ScratchFolder folder;
  std::string first;
  {
    TensorBoardLog to(folder.path(""));
    for (int step = 1; step <= 5; ++step) log(to, step, {{"a", 1.0 * step}});
    first = to.path();
  }
  const std::string whole = file_text(first);
  const auto last = wire::records(whole).back().size() + 16;
  for (std::size_t torn = 0; torn <= last; ++torn) {
    CAPTURE(torn);
    folder.write(std::filesystem::path(first).filename().string(), whole.substr(0, whole.size() - torn));
    TensorBoardLog to(folder.path(""));
    to.resume(3);
    log(to, 4, {{"a", 40.0}});
    CHECK(story(first) == std::vector<std::string>{"begin 0", "1 a=1", "2 a=2", "3 a=3"});
    CHECK(story(to.path()) == std::vector<std::string>{"begin 4", "4 a=40"});
    CHECK(to.path() > first);
    std::filesystem::remove(to.path());
  }
  // Zeros at the end: the machine, not the program, went down.
  TensorBoardLog to(folder.path(""));
  for (const std::size_t torn : {std::size_t{5}, std::size_t{0}}) {
    folder.write(std::filesystem::path(first).filename().string(),
                 whole.substr(0, whole.size() - torn) + std::string(100, '\0'));
    to.resume(99);
    auto want = std::vector<std::string>{"begin 0", "1 a=1", "2 a=2", "3 a=3", "4 a=4", "5 a=5"};
    if (torn > 0) want.pop_back();
    CHECK(story(first) == want);
  }
  // Once more, with events in the file of its own.
  log(to, 100, {{"a", 1.0}});
  log(to, 101, {{"a", 1.0}});
  to.resume(100);
  log(to, 101, {{"a", 2.0}});
  CHECK(story(to.path()) == std::vector<std::string>{"begin 100", "100 a=1", "begin 101", "101 a=2"});
}

TEST_CASE("a new run in a used folder leaves the files there, and its own comes last by name") {
  const ScratchFolder folder;
  std::vector<std::string> paths;
  const std::string future = folder.write("events.out.tfevents.9999999998.000001.1.unroll", "");
  // No times, or none that a name could come behind.
  for (const char* name :
       {"9999999999999999999.9", "-000000001.000001.1", "1700000000.00001.1", "x.y.1", ""}) {
    folder.write(std::string("events.out.tfevents.") + name + ".unroll", "");
  }
  const std::size_t before = files_in(folder);
  for (int i = 0; i < 20; ++i) {
    TensorBoardLog to(folder.path(""));
    log(to, 5, {{"a", 1.0}});
    if (!paths.empty()) CHECK(to.path() > paths.back());
    CHECK(to.path() > future);
    paths.push_back(to.path());
  }
  CHECK(files_in(folder) == before + 20);
  CHECK(story(paths.back()) == std::vector<std::string>{"begin 0", "5 a=1"});
}

TEST_CASE("a start that writes nothing leaves no file, and what killed writers left goes") {
  const ScratchFolder folder;
  std::string first;
  {
    TensorBoardLog to(folder.path(""));
    log(to, 1, {{"a", 1.0}});
    first = to.path();
  }
  // What is left while an event file is being replaced has no name that TensorBoard would read.
  const std::string name = std::filesystem::path(first).filename().string();
  const std::string left = detail::temporary_stem(name) + ".12.3.tmp";
  CHECK_FALSE(has(left, "tfevents"));
  folder.write(left, "half");
  {
    TensorBoardLog to(folder.path(""));
    CHECK(to.path().empty());
    CHECK(files_in(folder) == 1);
    to.flush();
    to.resume(1);
    to.flush();
  }
  CHECK(files_in(folder) == 1);
  TensorBoardLog to(folder.path(""));
  to.resume(0);
  log(to, 1, {{"a", 2.0}});
  CHECK(story(first) == std::vector<std::string>{"begin 0"});
  CHECK(story(to.path()) == std::vector<std::string>{"begin 1", "1 a=2"});
}

TEST_CASE("resume touches no other program's files, and where there are none the run begins there") {
  const ScratchFolder folder;
  folder.write("events.out.tfevents.1700000000.host.1.0", "another's");
  folder.write("notes.unroll", "mine");
  TensorBoardLog to(folder.path(""));
  to.resume(9);
  log(to, 10, {{"a", 1.0}});
  CHECK(story(to.path()) == std::vector<std::string>{"begin 10", "10 a=1"});
  CHECK(file_text(folder.path("events.out.tfevents.1700000000.host.1.0")) == "another's");
  CHECK(file_text(folder.path("notes.unroll")) == "mine");
}

TEST_CASE("resume names the event file that is damaged, and changes none") {
  const ScratchFolder folder;
  std::string whole;
  {
    TensorBoardLog to(folder.path("made"));
    for (int step = 1; step <= 3; ++step) log(to, step, {{"a", 1.0 * step}});
    whole = file_text(to.path());
  }
  const std::size_t second = 24 + 16;  // where the second record begins
  std::string length = whole, bytes = whole, no_event = whole.substr(0, second);
  length[second] = static_cast<char>(length[second] ^ 1);
  bytes[second + 13] = static_cast<char>(bytes[second + 13] ^ 1);
  // A whole record that is no event: field 1 said to be longer than the record.
  const std::string broken("\x0a\x7f", 2);
  const auto put = [&](auto value) { no_event.append(reinterpret_cast<const char*>(&value), sizeof value); };
  put(std::uint64_t{2});
  put(wire::masked(no_event.substr(second, 8)));
  no_event += broken;
  put(wire::masked(broken));
  const struct {
    std::string contents, want;
  } cases[] = {{length, "expected a record at byte 40, got a length whose check fails"},
               {bytes, "expected a record at byte 40, got bytes whose check fails"},
               {no_event, "expected an event in the record at byte 40"}};
  std::filesystem::create_directory(folder.path("run"));
  const std::string good = folder.write("run/events.out.tfevents.1700000000.000001.1.unroll", whole);
  const std::string bad = folder.path("run/events.out.tfevents.1700000000.000002.1.unroll");
  for (const auto& c : cases) {
    folder.write("run/events.out.tfevents.1700000000.000002.1.unroll", c.contents);
    TensorBoardLog to(folder.path("run"));
    const std::string message = message_of<FileError>([&] { to.resume(1); });
    CAPTURE(message);
    CHECK(has(message, "[TensorBoardLog] " + bad + ": " + c.want));
    CHECK(file_text(bad) == c.contents);
    CHECK(file_text(good) == whole);
  }
}

TEST_CASE("a folder that cannot be written is refused when the log is made") {
  const ScratchFolder folder;
  const std::string file = folder.write("file", "");
  CHECK(has(message_of<FileError>([&] { TensorBoardLog to(file); }),
            "[TensorBoardLog] " + file + ": cannot open the folder: "));
  CHECK(has(message_of<FileError>([&] { TensorBoardLog to(file + "/run"); }), "cannot open the folder: "));
  CHECK_THROWS_AS(TensorBoardLog("/proc/run"), FileError);
}

TEST_CASE("names and texts that no event can hold are refused, and the file stays") {
  const ScratchFolder folder;
  TensorBoardLog to(folder.path(""));
  log(to, 1, {{"a", 1.0}});
  const std::string before = file_text(to.path());
  for (const char* text : {"\xff", "\xc3", "a\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                           "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x82"}) {
    CAPTURE(text);
    CHECK(has(message_of<ArgumentError>([&] {
                log(to, 2, {{"ok", 1.0}, {text, 1.0}});
              }),
              "[TensorBoardLog.scalars] names: expected UTF-8"));
    CHECK(has(message_of<ArgumentError>([&] { to.text(2, "a", text); }),
              "[TensorBoardLog.text] text: expected UTF-8"));
    CHECK(has(message_of<ArgumentError>([&] { to.histogram(2, text, {}); }),
              "[TensorBoardLog.histogram] names: expected UTF-8"));
  }
  CHECK_THROWS_AS(log(to, 2, {{"", 1.0}}), ArgumentError);
  CHECK_THROWS_AS(log(to, 2, {{"a", 1.0}, {"a", 2.0}}), ArgumentError);
  CHECK_THROWS_AS(to.text(2, "", "a"), ArgumentError);
  CHECK(file_text(to.path()) == before);
  to.text(2, "ok", "\xf0\x9f\x99\x82 \xed\x9f\xbf \xf4\x8f\xbf\xbf \xc2\x80 \xe0\xa0\x80 \xef\xbf\xbf");
  CHECK(events_of(to).size() == 4);
}
