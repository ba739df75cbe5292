// Files made to break readers (tests/fuzz/hostile.hpp): each is read or refused by an unroll::Error, in
// bounded memory and in time that grows with its size; nothing ends the process.
#include "tests/fuzz/hostile.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <limits>

#include "framework/memory.hpp"
#include "layers/linear.hpp"
#include "tests/training/models/folder.hpp"
#include "training/data/idx.hpp"
#include "training/data/table_encoder.hpp"
#include "training/data/text.hpp"
#include "training/forecasting/series_encoder.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/jsonl_log.hpp"
#include "training/metrics/confusion_matrix.hpp"
#include "training/metrics/metrics.hpp"
#include "training/models/npy.hpp"
#include "training/models/npz.hpp"
#include "training/models/state_dict.hpp"
#include "training/trainer/checkpoint.hpp"

using namespace unroll;
using models_test::Folder;
using models_test::read_bytes;
using models_test::write_bytes;

namespace {

constexpr rlim_t kSeconds = 60;           // of CPU, for all readers of a file; what is linear takes below 1
constexpr long kMostMemory = 400L << 10;  // KiB that a file may take
constexpr std::size_t kMostMessage = 2000;

struct Reader {
  std::string name;
  std::function<void(const std::string& path)> read;
};

// What a reader has done with the file, "" for what it may do.
std::string outcome(const Reader& reader, const std::string& path) {
  try {
    reader.read(path);
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.size() > kMostMessage) return fmt::format("a message of {} bytes", message.size());
    for (const char c : message) {
      const auto byte = static_cast<unsigned char>(c);
      if ((byte < 0x20 && c != '\n') || byte == 0x7f) return "a control byte in a message";
    }
  } catch (const std::exception& error) {
    return fmt::format("no unroll::Error, but {}", error.what());
  }
  return "";
}

// In a process of its own: what it writes of each reader, its name first.
[[noreturn]] void read_apart(const std::vector<Reader>& readers, const std::string& path, int report) {
  for (const int number : {SIGSEGV, SIGABRT, SIGXCPU}) std::signal(number, SIG_DFL);
  const struct rlimit cpu { kSeconds, kSeconds }, core{0, 0};
  ::setrlimit(RLIMIT_CPU, &cpu);
  ::setrlimit(RLIMIT_CORE, &core);
  struct rusage before {
  }, after{};
  ::getrusage(RUSAGE_SELF, &before);
#if UNROLL_POOL  // sanitizers reserve terabytes themselves
  const rlim_t most = (static_cast<rlim_t>(before.ru_maxrss) + 4 * kMostMemory) << 10;
  const struct rlimit data { most, most };
  ::setrlimit(RLIMIT_DATA, &data);
#endif
  const auto say = [&](const std::string& text) {
    [[maybe_unused]] const auto written = ::write(report, text.data(), text.size());
  };
  for (const Reader& reader : readers) {
    say("\n" + reader.name + ": ");
    say(outcome(reader, path));
    ::getrusage(RUSAGE_SELF, &after);
    const long grown = after.ru_maxrss - before.ru_maxrss;
    if (UNROLL_POOL && grown > kMostMemory) say(fmt::format(" {} MiB of memory", grown >> 10));
  }
  say("\ndone: ");
  ::_exit(0);
}

void check(const std::string& family, const std::vector<Reader>& readers) {
  const Folder folder;
  std::size_t count = 0;
  for (const hostile::File& file : hostile::hostile_files()) {
    if (file.family != family) continue;
    ++count;
    INFO(file.name);
    const std::string path = folder.file("file");
    write_bytes(path, file.bytes);
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) read_apart(readers, path, ends[1]);
    ::close(ends[1]);
    std::string report;
    char block[4096];
    for (ssize_t got; (got = ::read(ends[0], block, sizeof block)) > 0;)
      report.append(block, static_cast<std::size_t>(got));
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) report += fmt::format("killed by signal {}", WTERMSIG(status));
    std::string want;
    for (const Reader& reader : readers) want += "\n" + reader.name + ": ";
    CHECK(report == want + "\ndone: ");
  }
  REQUIRE(count > 0);
}

template <class T>
Reader json(const std::string& name) {
  return {name + ".from_json", [](const std::string& path) { T::from_json(read_bytes(path)).to_json(); }};
}
template <class T>
Reader in_metadata(const std::string& name) {
  return {"parsed<" + name + ">", [](const std::string& path) {
            static_cast<void>(Metadata({{"key", read_bytes(path)}}, path).parsed<T>("key"));
          }};
}
template <class F>
Reader of_metadata(const std::string& name, F get) {
  return {"Metadata." + name, [get](const std::string& path) {
            get(Metadata({{"key", read_bytes(path)}}, path));
          }};
}
template <class T>
Reader state(const std::string& name, T value) {
  return {name + ".load_state", [value](const std::string& path) {
            T copy = value;
            copy.load_state(read_bytes(path));
          }};
}

struct Model {
  Linear<float> a;
  using Scalar = float;
  Model() : Model(Rng(1)) {}
  static void each(auto& self, auto&& visit) { visit("a", self.a); }

 private:
  explicit Model(Rng rng) : a(2, 3, rng) {}
};

// A copy under the name's end by which the format is told.
std::string ending(const std::string& path, const std::string& end) {
  write_bytes(path + end, read_bytes(path));
  return path + end;
}

void read_all_metadata(const std::string& path) {
  const Metadata metadata = load_metadata(path);
  const auto refused = [](auto&& f) {
    try {
      f();
    } catch (const Error&) {
    }
  };
  for (const auto& entry : metadata.all()) {
    const std::string& key = entry.first;
    if (key != "text" && key != "encoder") continue;
    refused([&] { metadata.texts(key); });
    refused([&] { metadata.reals(key); });
    refused([&] { metadata.parsed<TableEncoder<float>>(key); });
    refused([&] { metadata.parsed<Vocabulary>(key); });
  }
}

}  // namespace

TEST_CASE("hostile JSON of encoders is read or refused") {
  check("encoders",
        {json<Vocabulary>("Vocabulary"), json<Labels>("Labels"), json<Standardizer<float>>("Standardizer"),
         json<TableEncoder<float>>("TableEncoder"), json<SeriesEncoder<float>>("SeriesEncoder")});
}

TEST_CASE("hostile JSON in a model's metadata is read or refused") {
  check("encoders", {in_metadata<Vocabulary>("Vocabulary"), in_metadata<TableEncoder<double>>("TableEncoder"),
                     in_metadata<Standardizer<double>>("Standardizer"),
                     in_metadata<SeriesEncoder<double>>("SeriesEncoder"),
                     of_metadata("texts", [](const Metadata& m) { m.texts("key"); }),
                     of_metadata("reals", [](const Metadata& m) { m.reals("key"); }),
                     of_metadata("numbers", [](const Metadata& m) { m.numbers("key"); }),
                     of_metadata("number", [](const Metadata& m) { m.number("key"); }),
                     of_metadata("real", [](const Metadata& m) { m.real("key"); }),
                     of_metadata("flag", [](const Metadata& m) { m.flag("key"); }),
                     of_metadata("require", [](const Metadata& m) { m.require("key", "x"); })});
}

TEST_CASE("hostile states of a training are read or refused") {
  check("train_state",
        {{"TrainState.from_text", [](const std::string& path) { TrainState::from_text(read_bytes(path)); }},
         {"load_checkpoint",
          [](const std::string& path) {
            save_tensors(path + ".safetensors", StateDict<float>{{},
                                                                 {{"format", "unroll checkpoint 1"},
                                                                  {"scalar", "F32"},
                                                                  {"optimizer", "Adam"},
                                                                  {"state", read_bytes(path)}}});
            load_checkpoint<float>(path + ".safetensors");
          }},
         state("Accuracy", Accuracy()),
         state("Rmse", Rmse()),
         state("F1", F1(3)),
         state("PlateauSchedule", PlateauSchedule{.lr = 0.1}),
         state("Rng", Rng(1))});
}

TEST_CASE("hostile files of tensors are read or refused") {
  check("tensor_files",
        {{"load_tensors", [](const std::string& path) { load_tensors<float>(path); }},
         {"load_npz", [](const std::string& path) { load_npz<float>(path); }},
         {"load_npy", [](const std::string& path) { load_npy<std::int64_t>(path, Rounding::nearest); }},
         {"open_npz",
          [](const std::string& path) {
            const auto file = open_npz(path);
            if (!file->tensors().empty()) file->read<std::int64_t>(file->tensors().front().name);
          }},
         {"load_model",
          [](const std::string& path) {
            Model model;
            load_model(ending(path, ".safetensors"), model);
          }},
         {"load_model npz",
          [](const std::string& path) {
            Model model;
            load_model(ending(path, ".npz"), model, {.strict = false});
          }},
         {"load_metadata", [](const std::string& path) { read_all_metadata(ending(path, ".safetensors")); }},
         {"load_metadata npz", [](const std::string& path) { read_all_metadata(ending(path, ".npz")); }},
         {"load_checkpoint", [](const std::string& path) { load_checkpoint<float>(path); }}});
}

TEST_CASE("hostile IDX files are read or refused") {
  check("idx", {{"float", [](const std::string& path) { read_idx<float>(path); }},
                {"int64", [](const std::string& path) { read_idx<std::int64_t>(path); }}});
}

TEST_CASE("hostile tables are read or refused") {
  check("tables",
        {{"read_table", [](const std::string& path) { read_table(path); }},
         {"column", [](const std::string& path) { read_table(path).column("no such column"); }},
         {"numbers", [](const std::string& path) { read_table(path).numbers("v"); }},
         {"read_series", [](const std::string& path) { read_series(read_table(path), "v"); }},
         {"encode_table", [](const std::string& path) { encode_table<float>(read_table(path)); }},
         {"matrix",
          [](const std::string& path) {
            const Table table = read_table(path);
            table.matrix<float>(table.header());
          }},
         {"write_table", [](const std::string& path) { write_table(path + ".csv", read_table(path)); }}});
}

TEST_CASE("hostile texts are read or refused") {
  check("text", {{"read_lines", [](const std::string& path) { read_lines(path); }},
                 {"Vocabulary",
                  [](const std::string& path) {
                    const std::string text = read_text(path);
                    const auto vocabulary = Vocabulary::of(text, {.unit = TextUnit::word});
                    vocabulary.decode(vocabulary.encode(text));
                  }},
                 {"characters", [](const std::string& path) { characters(read_bytes(path)); }}});
}

TEST_CASE("hostile logs are gone on with or refused") {
  const auto resume = [](auto make) {
    return [make](const std::string& path) {
      auto log = make(ending(path, ".log"));
      log->resume(3);
      log->scalars(4, 1, std::vector<NamedScalar>{{"loss", 0.5}, {"new", 0.25}});
    };
  };
  check("logs", {{"CsvLog", resume([](const std::string& path) { return std::make_unique<CsvLog>(path); })},
                 {"JsonLinesLog",
                  resume([](const std::string& path) { return std::make_unique<JsonLinesLog>(path); })}});
}
