// Seeds 002 and 003: a tanh RNN over rows (batch,T,features), without an output layer.
//
// 003's backward is right. 002's is not: it prints a dZ that is no gradient of anything (seeds/literal.hpp
// says what it does), beside which stands the right one.
#include <catch2/catch.hpp>

#include "optim/sgd.hpp"
#include "seeds/literal.hpp"
#include "seeds/near.hpp"
#include "seeds/numpy_text.hpp"
#include "seeds/seed_layers.hpp"

using namespace unroll;
using namespace unroll::seeds;

namespace {

// The numbers of both notebooks.
SimpleRnn notebook() {
  return {.x = from_values<double>({1, 3, 2}, {1, 2, 2, 3, 3, 4}) / 100,
          .h0 = zeros<double>({1, 4}),
          .w_x = from_values<double>({2, 4}, {1, 3, 5, 7, 3, 5, 7, 8}) / 100,
          .w_h = from_values<double>({4, 4}, {1, 3, 5, 7, 2, 4, 6, 8, 3, 5, 7, 8, 4, 6, 8, 10}) / 100,
          .b = ones<double>({4})};
}

struct Run {
  Var<double> x, w_x, w_h, b;  // leaves
  Var<double> h;               // (1,4) after the last step
};

// The notebook's forward pass as a layer of the library.
Run run(Path path) {
  const SimpleRnn n = notebook();
  Run r{parameter(n.x), parameter(n.w_x), parameter(n.w_h), parameter(n.b), {}};
  const auto rnn = make_rnn(gate_from_rows(r.w_x, r.w_h, r.b), {.batch_first = true, .path = path});
  r.h = last(rnn(r.x));
  return r;
}

}  // namespace

TEST_CASE("seeds 002 and 003: the simple RNN prints the published hidden state") {
  for (const Path path : {Path::tape, Path::fused}) {
    const std::string h = numpy_text(run(path).h.value());
    CHECK(h == "[[0.79494228 0.81839002 0.83939649 0.85584174]]");
    CHECK("Final hidden state: " + h ==
          "Final hidden state: [[0.79494228 0.81839002 0.83939649 0.85584174]]");
  }
}

TEST_CASE("seed 002's published dZ is 76 % away from the gradient of its input") {
  const Tensor<double> published = seed002_backward(notebook(), 0.01).dz;
  CHECK(numpy_text(published) ==
        "[[[0.00120765 0.00165376]]\n\n [[0.00292378 0.00400644]]\n\n [[0.00973441 0.01338663]]]");

  for (const Path path : {Path::tape, Path::fused}) {
    Tape tape;
    const Run r = run(path);
    // The notebook hands h_T itself to backward(): the gradient of sum h_T^2 / 2.
    tape.backward(0.5 * sum(square(r.h)));
    const Tensor<double> right = r.x.grad();
    const std::string text = numpy_text(right);
    CHECK(text == "[[[0.00028861 0.00039817]\n  [0.00290763 0.00408686]\n  [0.03946    0.05796616]]]");
    const Tensor<double> wrong = transpose(Var<double>(published), 0, 1).value();
    const Var<double> error = norm(Var<double>(wrong) - Var<double>(right)) / norm(Var<double>(right));
    CHECK(error.item() == Approx(0.7625).epsilon(1e-3));
  }
}

TEST_CASE("seed 003's backward, one update after the whole loop, is what the library does") {
  const SimpleRnn n = notebook();
  for (const Path path : {Path::tape, Path::fused}) {
    Tape tape;
    const Run r = run(path);
    tape.backward(0.5 * sum(square(r.h)));
    Sgd<double>({r.w_x, r.w_h, r.b}, {.lr = 0.01}).step();
    tape.stop();

    // The notebook's loop.
    const Var<double> x(n.x), w_x(n.w_x), w_h(n.w_h), b(n.b);
    std::vector<Var<double>> h{Var<double>(n.h0)};
    for (Index t = 0; t < 3; ++t) h.push_back(tanh(matmul(select(x, 1, t), w_x) + matmul(h.back(), w_h) + b));
    Var<double> dw_x(zeros<double>({2, 4})), dw_h(zeros<double>({4, 4})), db(zeros<double>({4})),
        dh = h.back();
    for (std::size_t t = 3; t-- > 0;) {
      const Var<double> da = dh * (1.0 - square(h[t + 1]));
      db = db + sum(da, {0});
      dw_x = dw_x + matmul(select(x, 1, static_cast<Index>(t)), da, {.transpose_a = true});
      dw_h = dw_h + matmul(h[t], da, {.transpose_a = true});
      dh = matmul(da, w_h, {.transpose_b = true});
    }
    CHECK(difference(r.w_x.value(), (w_x - 0.01 * dw_x).value()) < 1e-14);
    CHECK(difference(r.w_h.value(), (w_h - 0.01 * dw_h).value()) < 1e-14);
    CHECK(difference(r.b.value(), (b - 0.01 * db).value()) < 1e-14);
  }
}
