// Only the matrix products of a training step, on the same BLAS: a lower bound for implementations that use
// it. Four weight layouts; the best one counts.
#include <cblas.h>

#include <memory>

#include "workloads.hpp"

namespace unroll::bench {
namespace {

void gemm(bool ta, bool tb, std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda,
          const float* b, std::size_t ldb, float beta, float* c, std::size_t ldc) {
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, blasint(m),
              blasint(n), blasint(k), 1.0F, a, blasint(lda), b, blasint(ldb), beta, c, blasint(ldc));
}
void gemm(bool ta, bool tb, std::size_t m, std::size_t n, std::size_t k, const double* a, std::size_t lda,
          const double* b, std::size_t ldb, double beta, double* c, std::size_t ldc) {
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, blasint(m),
              blasint(n), blasint(k), 1.0, a, blasint(lda), b, blasint(ldb), beta, c, blasint(ldc));
}

template <class S>
struct Products {
  Workload w;
  bool forward_transposed, backward_transposed;  // weights stored (in, gates) instead of (gates, in)
  std::size_t G;
  std::vector<S> wx, wh, x, h, a, da, dh, dx, dwx, dwh, head, logits, dhead;

  Products(const Workload& workload, bool forward, bool backward)
      : w(workload),
        forward_transposed(forward),
        backward_transposed(backward),
        G(w.H * (w.cell == CellKind::lstm  ? 4
                 : w.cell == CellKind::gru ? 3
                                           : 1)) {
    const std::size_t N = w.T * w.B, in = std::max(w.I, w.directions * w.H);
    wx = numbers<S>(G * in, 0.1, 1), wh = numbers<S>(G * w.H, 0.1, 2);
    x = numbers<S>(N * in, 1.0, 3), h = numbers<S>((N + w.B) * w.H, 1.0, 4), da = numbers<S>(N * G, 0.1, 5);
    a.resize(N * G), dh.resize(w.B * w.H), dx.resize(N * in), dwx.resize(G * in), dwh.resize(G * w.H);
    head = numbers<S>(w.classes * w.H, 0.1, 6), logits.resize(w.B * w.classes), dhead.resize(w.classes * w.H);
  }
  std::size_t input_size(std::size_t layer) const { return layer == 0 ? w.I : w.directions * w.H; }
  void step() {
    const std::size_t N = w.T * w.B, H = w.H, B = w.B;
    for (std::size_t cell = 0; cell < w.layers * w.directions; ++cell) {
      const std::size_t in = input_size(cell / w.directions);
      if (forward_transposed) {
        gemm(false, false, N, G, in, x.data(), in, wx.data(), G, 0, a.data(), G);
      } else {
        gemm(false, true, N, G, in, x.data(), in, wx.data(), in, 0, a.data(), G);
      }
      for (std::size_t t = 0; t < w.T; ++t) {
        if (forward_transposed) {
          gemm(false, false, B, G, H, h.data() + t * B * H, H, wh.data(), G, 1, a.data() + t * B * G, G);
        } else {
          gemm(false, true, B, G, H, h.data() + t * B * H, H, wh.data(), H, 1, a.data() + t * B * G, G);
        }
      }
    }
    if (w.classes > 0) {
      gemm(false, true, B, w.classes, H, h.data(), H, head.data(), H, 0, logits.data(), w.classes);
      gemm(true, false, w.classes, H, B, logits.data(), w.classes, h.data(), H, 0, dhead.data(), H);
      gemm(false, false, B, H, w.classes, logits.data(), w.classes, head.data(), H, 0, dh.data(), H);
    }
    for (std::size_t cell = w.layers * w.directions; cell-- > 0;) {
      const std::size_t layer = cell / w.directions, in = input_size(layer);
      for (std::size_t t = w.T; t-- > 1;) {  // the initial state's gradient is not requested
        if (backward_transposed) {
          gemm(false, true, B, H, G, da.data() + t * B * G, G, wh.data(), G, 0, dh.data(), H);
        } else {
          gemm(false, false, B, H, G, da.data() + t * B * G, G, wh.data(), H, 0, dh.data(), H);
        }
      }
      if (backward_transposed) {
        gemm(true, false, in, G, N, x.data(), in, da.data(), G, 0, dwx.data(), G);
        gemm(true, false, H, G, N, h.data(), H, da.data(), G, 0, dwh.data(), G);
      } else {
        gemm(true, false, G, in, N, da.data(), G, x.data(), in, 0, dwx.data(), in);
        gemm(true, false, G, H, N, da.data(), G, h.data(), H, 0, dwh.data(), H);
      }
      if (layer > 0) {
        if (backward_transposed) {
          gemm(false, true, N, in, G, da.data(), G, wx.data(), G, 0, dx.data(), in);
        } else {
          gemm(false, false, N, in, G, da.data(), G, wx.data(), in, 0, dx.data(), in);
        }
      }
    }
  }
};

template <class S>
void add(std::vector<Variant>& list, const char* scalar) {
  for (const Workload& w : kWorkloads) {
    if (std::string(w.reference) != "gemm") continue;
    for (const int threads : {1, 2}) {
      for (const int layout : {0, 1, 2, 3}) {
        list.push_back({w.name, "gemm" + std::to_string(layout), scalar, threads, 1.0, [w, layout] {
                          auto products = std::make_shared<Products<S>>(w, layout % 2 == 1, layout / 2 == 1);
                          return [products] { products->step(); };
                        }});
      }
    }
  }
}

}  // namespace

void add_rooflines(std::vector<Variant>& list) {
  add<float>(list, "float");
  add<double>(list, "double");
}

}  // namespace unroll::bench
