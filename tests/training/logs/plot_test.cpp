#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "tests/training/logs/log_values.hpp"
#include "training/logs/csv_log.hpp"
#include "training/logs/plot.hpp"
#include "training/logs/plot_log.hpp"

using namespace unroll;

namespace {

bool no_gnuplot() {
  if (std::system("command -v gnuplot > /dev/null") == 0) return false;
  WARN("skipped: no gnuplot here (Debian: gnuplot-nox)");
  return true;
}

// Sets PATH until it goes.
class WithPath {
 public:
  explicit WithPath(const std::string& path) : old_(std::getenv("PATH")) {
    ::setenv("PATH", path.c_str(), 1);
  }
  ~WithPath() { ::setenv("PATH", old_.c_str(), 1); }

 private:
  std::string old_;
};

Plot small_plot() {
  Plot plot{.title = "it's a_title {x}", .panels = {}, .width = 400, .panel_height = 200};
  plot.panels.push_back({.title = "one", .curves = {{"a_b", {1, 2, 3}, {3, 1, 2}}}});
  plot.panels.push_back({.title = "two", .curves = {{"single", {2}, {5}}}, .marks = {{2, 5, "best"}}});
  return plot;
}

// What gnuplot would be asked to do, from a drawing that fails for want of it.
std::string script_of(const Plot& plot) {
  const ScratchFolder folder;
  const WithPath path("/nonexistent");
  CHECK_THROWS_AS(draw_plot(folder.path("a.svg"), plot), FileError);
  return file_text(folder.path("a.svg.gp"));
}

void log(Log& to, std::int64_t step, std::int64_t epoch, const std::vector<NamedScalar>& values) {
  to.scalars(step, epoch, values);
}

}  // namespace

TEST_CASE("a plot becomes a PNG or SVG file by its name, and only the picture is left") {
  if (no_gnuplot()) return;
  const ScratchFolder folder;
  draw_plot(folder.path("a.png"), small_plot());
  const std::string png = file_text(folder.path("a.png"));
  CHECK(png.starts_with("\x89PNG\r\n\x1a\n"));
  CHECK(png.ends_with("IEND\xae\x42\x60\x82"));
  draw_plot(folder.path("a.svg"), small_plot());
  const std::string svg = file_text(folder.path("a.svg"));
  CHECK(has(svg, "</svg>"));
  for (const char* text : {"it's a_title {x}", ">one<", ">two<", ">a_b<", ">single<", ">best<"}) {
    CAPTURE(text);
    CHECK(has(svg, text));
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path("")), {}) == 2);
}

TEST_CASE("a plot's height grows with its panels") {
  if (no_gnuplot()) return;
  const ScratchFolder folder;
  Plot plot = small_plot();
  plot.title = "";
  const auto pixels = [&](std::size_t at) {
    draw_plot(folder.path("a.png"), plot);
    const std::string png = file_text(folder.path("a.png"));
    return static_cast<unsigned char>(png.at(at + 2)) * 256 + static_cast<unsigned char>(png.at(at + 3));
  };
  CHECK(pixels(16) == 400);  // the header's width and height
  CHECK(pixels(20) == 400);
  plot.panels.pop_back();
  CHECK(pixels(20) == 200);
}

TEST_CASE("any text, empty panels and values that are no numbers can be drawn") {
  if (no_gnuplot()) return;
  const ScratchFolder folder;
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  const std::string text = "'\"\\ %d $x `ls` {a}^b_c @&~ \n END \xc3\xa9";
  Plot plot{.title = text, .panels = {}};
  plot.panels.push_back({.curves = {}});
  plot.panels.push_back({.title = text,
                         .x_label = text,
                         .y_label = text,
                         .curves = {{text, {1, 2, 3, 4, 5}, {1, nan, inf, -inf, 2}}}});
  plot.panels.push_back(
      {.curves = {{"nothing", {1, 2}, {nan, nan}}, {"empty", {}, {}}}, .marks = {{1, nan, "no"}}});
  plot.panels.push_back({.curves = {{"log", {1, 2, 3}, {0, -1, 1e-300}}}, .log_y = true});
  plot.panels.push_back(
      {.curves = {{"none on a log axis", {1}, {0}}}, .marks = {{1, 0, "no"}}, .log_y = true});
  plot.panels.push_back({.curves = {{"flat", {1, 2, 3}, {1e300, 1e300, 1e308}, "red", true}},
                         .x_lines = {1.5},
                         .x_range = std::pair(0.0, 4.0)});
  plot.panels.push_back({.curves = {{"beyond", {1, 2}, {1e308, 1.5e308}}}});
  plot.panel_height = 150;
  draw_plot(folder.path("a.svg"), plot);
  const std::string svg = file_text(folder.path("a.svg"));
  CHECK(has(svg, "</svg>"));
  CHECK(has(svg, "%d $x `ls` {a}^b_c @&amp;~   END \xc3\xa9"));
}

TEST_CASE("a curve has a gap where its values are not finite") {
  Plot plot{
      .panels = {{.curves = {{"a", {1, 2, 3, 4, 5}, {std::nan(""), 1, std::nan(""), std::nan(""), 2}}}}}};
  CHECK(has(script_of(plot), "$panel1_curve1 << END\n2 1\n\n5 2\nEND\n"));
}

TEST_CASE("a drawing without gnuplot names its package and keeps the script and the old picture") {
  const ScratchFolder folder;
  const std::string picture = folder.write("a.png", "old");
  std::string message;
  {
    const WithPath path("/nonexistent");
    message = message_of<FileError>([&] { draw_plot(picture, small_plot()); });
    CHECK(has(message_of<FileError>([] { require_gnuplot(); }), "gnuplot-nox"));
    CHECK(has(message_of<FileError>([&] { PlotLog plot(folder.path("b.png")); }), "gnuplot-nox"));
  }
  CHECK(has(message, picture + ": expected gnuplot"));
  CHECK(has(message, "(Debian: gnuplot-nox); data and script are in " + picture + ".gp"));
  CHECK(file_text(picture) == "old");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path("")), {}) == 2);
  if (no_gnuplot()) return;
  CHECK(std::system(("gnuplot '" + picture + ".gp' 2> /dev/null").c_str()) == 0);
  CHECK(file_text(picture).starts_with("\x89PNG"));
}

TEST_CASE("a gnuplot that fails or dies is reported with what it said, and the script stays") {
  const ScratchFolder folder;
  const std::string picture = folder.write("a.png", "old");
  const struct {
    std::string program, want;
  } cases[] = {{"echo 'line 3: cannot' >&2; exit 2", "status 2 from gnuplot: line 3: cannot"},
               {"kill -9 $$", "status 137 from gnuplot"},
               {"exit 0", "status 0 from gnuplot"},
               {"echo half; exit 1", "status 1 from gnuplot"},
               {"echo half; kill -9 $$", "status 137 from gnuplot"},
               {"i=0; while [ $i -lt 30000 ]; do echo many words >&2; i=$((i+1)); done; exit 1",
                "status 1 from gnuplot: many words"}};
  for (const auto& c : cases) {
    const std::string program = folder.write("gnuplot", "#!/bin/sh\n" + c.program + "\n");
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    std::string message;
    {
      const WithPath path(folder.path(""));
      message = message_of<FileError>([&] { draw_plot(picture, small_plot()); });
    }
    CAPTURE(message);
    CHECK(has(message, "[draw_plot] " + picture + ": expected a picture, got " + c.want));
    CHECK(message.size() < 3000);
    CHECK(has(file_text(picture + ".gp"), "$panel1_curve1 << END\n1 3\n2 1\n3 2\nEND\n"));
    CHECK(file_text(picture) == "old");
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path("")), {}) == 3);
  }
}

TEST_CASE("a plot that cannot be drawn is refused before anything is written") {
  const ScratchFolder folder;
  Plot uneven = small_plot(), none, wide = small_plot(), tall = small_plot();
  uneven.panels[1].curves[0].x.push_back(1.0);
  wide.width = 20001;
  tall.panel_height = 12000;
  CHECK(has(message_of<ArgumentError>([&] { draw_plot(folder.path("a.png"), uneven); }),
            "curve 'single': expected as many x as y, got 2 and 1"));
  CHECK(has(message_of<ArgumentError>([&] { draw_plot(folder.path("a.png"), none); }),
            "panels: expected at least one"));
  CHECK(has(message_of<ArgumentError>([&] { draw_plot(folder.path("a.png"), wide); }),
            "100..20000 pixels, got 20001"));
  CHECK_THROWS_AS(draw_plot(folder.path("a.png"), tall), ArgumentError);
  CHECK(
      has(message_of<ArgumentError>([&] { draw_plot(folder.path("a.gif"), small_plot()); }), ".png or .svg"));
  CHECK(has(message_of<ArgumentError>([&] { PlotLog plot(folder.path("a.gif")); }), ".png or .svg"));
  CHECK(has(message_of<FileError>([&] { draw_plot(folder.path("no/a.png"), small_plot()); }), "no/a.png"));
  CHECK(has(message_of<FileError>([&] { PlotLog plot(folder.path("no/a.png")); }),
            "no/a.png: cannot create the file: No such file"));
  CHECK(std::filesystem::is_empty(folder.path("")));
}

TEST_CASE("a picture behind a link is drawn where it leads, keeps its mode, and leftovers go") {
  if (no_gnuplot()) return;
  namespace fs = std::filesystem;
  const ScratchFolder folder;
  const std::string real = folder.write("real.svg", "old"), link = folder.path("link.svg");
  fs::permissions(real, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("real.svg", link);
  const std::string left = folder.write("real.svg.12.3.tmp", "half"),
                    script = folder.write("link.svg.gp.12.3.tmp", "half");
  PlotLog plot(link);
  CHECK_FALSE(fs::exists(left));
  CHECK_FALSE(fs::exists(script));
  log(plot, 10, 1, {{"train/loss", 4.0}});
  plot.flush();
  CHECK(fs::is_symlink(link));
  CHECK(has(file_text(real), "<svg"));
  CHECK(fs::status(real).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(std::distance(fs::directory_iterator(folder.path("")), {}) == 2);
}

TEST_CASE(
    "a picture is written by the rules of every file: links, pipes, devices and folders stay what they are") {
  if (no_gnuplot()) return;
  namespace fs = std::filesystem;
  const ScratchFolder folder;
  fs::create_directory(folder.path("sub"));
  fs::create_symlink("sub/fresh.png", folder.path("dangling.png"));
  draw_plot(folder.path("dangling.png"), small_plot());
  CHECK(fs::is_symlink(folder.path("dangling.png")));
  CHECK(file_text(folder.path("sub/fresh.png")).starts_with("\x89PNG"));

  const std::string pipe = folder.path("pipe.svg");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(has(message_of<FileError>([&] { draw_plot(pipe, small_plot()); }), "no reader on the pipe"));
  fs::remove(pipe + ".gp");
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  draw_plot(pipe, small_plot());
  std::string got(1 << 16, '\0');  // a pipe holds as much
  CHECK(::read(reader, got.data(), got.size()) > 0);
  ::close(reader);
  CHECK(fs::is_fifo(pipe));
  CHECK(has(got, "</svg>"));

  fs::create_directory(folder.path("d.png"));
  CHECK(has(message_of<FileError>([&] { draw_plot(folder.path("d.png"), small_plot()); }),
            "cannot write the file: "));
  fs::create_directory(folder.path("e.png.gp"));
  CHECK(has(message_of<FileError>([&] { draw_plot(folder.path("e.png"), small_plot()); }), "got a folder"));
  CHECK(std::distance(fs::directory_iterator(folder.path("")), {}) == 5);

  // Copies of /dev/null and /dev/full, which not everybody may make; the real ones are everybody's.
  const std::string null = folder.path("null.png"), full = folder.path("full.png");
  if (::mknod(null.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) return;
  REQUIRE(::mknod(full.c_str(), S_IFCHR | 0600, makedev(1, 7)) == 0);
  const int open = ::open(null.c_str(), O_WRONLY);
  if (open < 0) return;  // devices do not work in this folder
  ::close(open);
  draw_plot(null, small_plot());
  CHECK(has(message_of<FileError>([&] { draw_plot(full, small_plot()); }), "No space left on device"));
  CHECK(fs::is_character_file(null));
  CHECK(fs::is_character_file(full));
}

TEST_CASE("a plot log has a panel for every quantity, a curve for every part, and marks the best") {
  if (no_gnuplot()) return;
  const ScratchFolder folder;
  PlotLog plot(folder.path("run.svg"), {.title = "a run"});
  log(plot, 10, 1, {{"train/loss", 4.0}, {"lr", 0.1}});
  log(plot, 10, 1, {{"valid/loss", 3.0}, {"valid/accuracy", 0.5}});
  log(plot, 20, 2, {{"train/loss", 2.0}, {"lr", 0.1}});
  log(plot, 20, 2, {{"valid/loss", 2.5}, {"valid/accuracy", 0.75}});
  log(plot, 30, 3, {{"valid/loss", 2.75}, {"valid/accuracy", 0.625}});
  log(plot, 40, 4, {{"valid/loss", std::nan("")}, {"valid/accuracy", std::nan("")}});

  const Plot made = plot.plot();
  REQUIRE(made.panels.size() == 3);
  CHECK(made.title == "a run");
  const PlotPanel &loss = made.panels[0], &lr = made.panels[1], &accuracy = made.panels[2];
  CHECK(loss.title == "loss");
  REQUIRE(loss.curves.size() == 2);
  CHECK(loss.curves[0].label == "train");
  CHECK(loss.curves[0].x == std::vector<double>{10, 20});
  CHECK(loss.curves[0].y == std::vector<double>{4, 2});
  CHECK(loss.curves[1].label == "valid");
  REQUIRE(loss.marks.size() == 1);
  CHECK(loss.marks[0].label == "best 2.5 at step 20");
  CHECK(lr.title == "lr");
  CHECK(lr.marks.empty());
  REQUIRE(accuracy.marks.size() == 1);
  CHECK(accuracy.marks[0].label == "best 0.75 at step 20");
  CHECK(accuracy.x_label == "step");
  CHECK(accuracy.x_range == std::pair(10.0, 40.0));
  CHECK(loss.x_range == accuracy.x_range);
  CHECK(accuracy.curves.at(0).color == loss.curves[1].color);
  CHECK(accuracy.curves.at(0).color != loss.curves[0].color);
  CHECK(lr.curves.at(0).label.empty());

  CHECK_FALSE(std::filesystem::exists(folder.path("run.svg")));
  plot.flush();
  CHECK(has(file_text(folder.path("run.svg")), "best 0.75 at step 20"));
  folder.write("run.svg", "touched");
  plot.flush();  // nothing new
  CHECK(file_text(folder.path("run.svg")) == "touched");
}

TEST_CASE("a plot log by epoch averages the values of one epoch, and draws the panels that are asked for") {
  if (no_gnuplot()) return;
  const ScratchFolder folder;
  PlotLog plot(
      folder.path("run.png"),
      {.axis = PlotAxis::epoch, .panels = {"f1", "loss"}, .larger_is_better = {}, .log_scale = {"loss"}});
  for (int step = 1; step <= 6; ++step)
    log(plot, step, (step + 2) / 3, {{"train/loss", 1.0 * step * step}, {"lr", 1.0}});
  log(plot, 3, 1, {{"valid/f1", 0.5}});
  log(plot, 6, 2, {{"valid/f1", 0.75}});
  const Plot made = plot.plot();
  REQUIRE(made.panels.size() == 2);
  CHECK(made.panels[0].marks.at(0).label == "best 0.5 at epoch 1");
  CHECK_FALSE(made.panels[0].log_y);
  CHECK(made.panels[1].log_y);
  const PlotCurve& loss = made.panels[1].curves.at(0);
  CHECK(loss.x == std::vector<double>{1, 2});
  CHECK(loss.y.at(0) == Approx((1 + 4 + 9) / 3.0));
  CHECK(loss.y.at(1) == Approx((16 + 25 + 36) / 3.0));
}

TEST_CASE("a resumed plot log draws what a run that was not stopped draws, from the CSV log") {
  if (no_gnuplot()) return;
  const ScratchFolder folder;
  const std::string csv = folder.path("run.csv");
  const auto run = [](Log& to, int from, int last) {
    for (int step = from; step <= last; ++step) {
      log(to, step, 1, {{"train/loss", 1.0 / step}});
      if (step % 2 == 0) log(to, step, 1, {{"valid/loss", step == 4 ? std::nan("") : 2.0 / step}});
    }
  };
  PlotLog straight(folder.path("straight.svg"));
  run(straight, 1, 10);
  {
    CsvLog table(csv);
    run(table, 1, 8);
  }
  PlotLog resumed(folder.path("resumed.svg"), {.history = csv});
  resumed.resume(6);
  run(resumed, 7, 10);
  straight.flush();
  resumed.flush();
  CHECK(file_text(folder.path("resumed.svg")) == file_text(folder.path("straight.svg")));
  CHECK(resumed.plot().panels.at(0).curves.at(1).x == std::vector<double>{2, 4, 6, 8, 10});

  straight.resume(5);  // in the same program, without a history
  CHECK(straight.plot().panels.at(0).curves.at(0).x == std::vector<double>{1, 2, 3, 4, 5});

  folder.write("bad.csv", "step,epoch,a\n1,1,2\n2,1,many\n");
  PlotLog bad(folder.path("bad.svg"), {.history = folder.path("bad.csv")});
  CHECK(has(message_of<FileError>([&] { bad.resume(9); }), "bad.csv:3: a: expected a number, got 'many'"));
  PlotLog missing(folder.path("missing.svg"), {.history = folder.path("missing.csv")});
  CHECK(has(message_of<FileError>([&] { missing.resume(9); }), "missing.csv: cannot read the run's CSV log"));
  CHECK_FALSE(std::filesystem::exists(folder.path("missing.csv")));
}
