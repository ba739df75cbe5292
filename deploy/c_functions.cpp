// The functions that a C file may call. The file has only those that it calls.
#include <array>
#include <string_view>

#include "deploy/c_text.hpp"

namespace unroll::detail {
namespace {

struct Function {
  std::string_view name, calls, text;
};

// exp and tanh are those of framework/kernels/exp.hpp and activations.hpp. log and sin have the polynomials
// of Cephes (S. L. Moshier), normal_cdf is formula 7.1.26 of Abramowitz and Stegun.
constexpr std::array kFunctions{
    Function{"bits", "", R"(
/* The float of these bits, and the bits of a float. */
static inline float @_float(uint32_t bits) {
  union { uint32_t bits; float value; } u;
  u.bits = bits;
  return u.value;
}
static inline uint32_t @_bits(float value) {
  union { uint32_t bits; float value; } u;
  u.value = value;
  return u.bits;
}
)"},
    // The power 2^n is 2^(n - 1) * 2, since 2^128 is no float. For n = -126 it is 0.
    Function{"exp", "bits", R"(
/* 2^n e^r, with the whole number n and |r| <= log(2)/2; 0 below -87. */
static inline float @_exp(float x) {
  const float above = x > -87.0f ? x : -87.0f, a = above < 89.0f ? above : 89.0f;
  const float shifted = a * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
  const float r = (a - n * 0.693145752f) - n * 1.42860677e-6f, q = r * r;
  const float low = 0.166665211f * r + 0.499999935f, high = 0.00836867456f * r + 0.0416683771f;
  const float m = ((0.00138149096f * q + high) * q + low) * q + r + 1.0f;
  const float y = m * @_float((@_bits(shifted) << 23) + (126u << 23)) * 2.0f;
  return x == x ? y : x;
}
)"},
    Function{"sigmoid", "exp", R"(
static inline float @_sigmoid(float x) { return 1.0f / (1.0f + @_exp(-x)); }
)"},
    Function{"tanh", "exp", R"(
static inline float @_tanh(float x) {
  const float a = @_float(@_bits(x) & 0x7fffffffu), q = x * x, q2 = q * q;
  const float low = 0.133324523f * q - 0.333333139f, high = 0.0210074602f * q - 0.0538374306f;
  const float near = q * a * ((high - 0.00617981136f * q2) * q2 + low) + a;
  const float far = 1.0f - 2.0f / (@_exp(2.0f * a) + 1.0f);
  const float y = a < 0.5625f ? near : far;
  return @_float(@_bits(y) | (@_bits(x) & 0x80000000u));
}
)"},
    Function{"log", "bits", R"(
/* e log(2) + log(1 + m), with sqrt(1/2) <= 1 + m < sqrt(2). */
static inline float @_log(float x) {
  const int tiny = x < 1.17549435e-38f; /* x is subnormal */
  const uint32_t from_half = @_bits(tiny ? x * 8388608.0f : x) - 0x3f3504f3u;
  const int32_t e = (int32_t)(from_half >> 23) - ((from_half >> 31) != 0u ? 512 : 0) - (tiny ? 23 : 0);
  const float m = @_float((from_half & 0x007fffffu) + 0x3f3504f3u) - 1.0f, n = (float)e, q = m * m;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  p = m + (p * m * q - 0.5f * q - n * 2.12194440e-4f) + n * 0.693359375f;
  p = x > 0.0f ? p : x < 0.0f ? @_float(0x7fc00000u) : @_float(0xff800000u);
  return x != x || x > 3.40282347e38f ? x : p;
}
)"},
    Function{"softplus", "exp log", R"(
static inline float @_softplus(float x) {
  return (x > 0.0f ? x : 0.0f) + @_log(1.0f + @_exp(x > 0.0f ? -x : x));
}
)"},
    Function{"sqrt", "bits", R"(
/* Newton's steps for 1 / sqrt(x), and one for sqrt(x). */
static inline float @_sqrt(float x) {
  const int tiny = x < 1.17549435e-38f; /* x is subnormal */
  const float a = tiny ? x * 16777216.0f : x;
  float r = @_float(0x5f3759dfu - (@_bits(a) >> 1));
  r = r * (1.5f - 0.5f * a * r * r);
  r = r * (1.5f - 0.5f * a * r * r);
  r = a * r * (1.5f - 0.5f * a * r * r);
  r = 0.5f * (r + a / r) * (tiny ? 2.44140625e-4f : 1.0f);
  return x > 0.0f ? (x > 3.40282347e38f ? x : r) : x < 0.0f ? @_float(0x7fc00000u) : x;
}
)"},
    Function{"sin_of", "bits", R"(
/* x = n pi/2 + r, |r| <= pi/4. quarter: 0 for sin, 1 for cos. Beyond 100000 floats are too far apart. */
static inline float @_sin_of(float x, uint32_t quarter) {
  const float shifted = x * 0.636619772f + 12582912.0f, n = shifted - 12582912.0f;
  const float r = ((x - n * 1.5703125f) - n * 4.83751297e-4f) - n * 7.54978995e-8f, q = r * r;
  const float sine = ((-1.9515295891e-4f * q + 8.3321608736e-3f) * q - 1.6666654611e-1f) * q * r + r;
  const float cosine =
      ((2.443315711809948e-5f * q - 1.388731625493765e-3f) * q + 4.166664568298827e-2f) * q * q - 0.5f * q + 1.0f;
  const uint32_t k = @_bits(shifted) + quarter;
  const float y = @_float(@_bits((k & 1u) != 0u ? cosine : sine) ^ ((k & 2u) << 30));
  return x < 1e5f && x > -1e5f ? y : @_float(0x7fc00000u);
}
)"},
    Function{"sin", "sin_of", R"(
static inline float @_sin(float x) { return @_sin_of(x, 0u); }
)"},
    Function{"cos", "sin_of", R"(
static inline float @_cos(float x) { return @_sin_of(x, 1u); }
)"},
    Function{"normal_cdf", "exp", R"(
static inline float @_normal_cdf(float x) {
  const float z = x * 0.70710678f, a = z < 0.0f ? -z : z, t = 1.0f / (1.0f + 0.3275911f * a);
  float q = 1.061405429f;
  q = q * t - 1.453152027f;
  q = q * t + 1.421413741f;
  q = q * t - 0.284496736f;
  q = (q * t + 0.254829592f) * t * @_exp(-z * z);
  return z < 0.0f ? 0.5f * q : 1.0f - 0.5f * q;
}
)"},
    Function{"gelu", "normal_cdf", R"(
static inline float @_gelu(float x) { return x * @_normal_cdf(x); }
)"},
    Function{"elu", "exp", R"(
static inline float @_elu(float x, float c) { return x > 0.0f ? x : c * (@_exp(x) - 1.0f); }
)"},
    Function{"standardize", "sqrt", R"(
/* y = (x - mean) / sqrt(variance + eps) */
static void @_standardize(int n, const float *x, float eps, float *y) {
  float mean = 0.0f, variance = 0.0f, r;
  int j;
  for (j = 0; j < n; ++j) mean += x[j];
  mean /= (float)n;
  for (j = 0; j < n; ++j) variance += (x[j] - mean) * (x[j] - mean);
  r = 1.0f / @_sqrt(variance / (float)n + eps);
  for (j = 0; j < n; ++j) y[j] = (x[j] - mean) * r;
}
)"},
    Function{"max", "", R"(
static float @_max(int n, const float *x) {
  float largest = x[0];
  int j;
  for (j = 1; j < n; ++j) largest = x[j] > largest || x[j] != x[j] ? x[j] : largest;
  return largest;
}
)"},
    Function{"softmax", "exp max", R"(
static void @_softmax(int n, const float *x, float *y) {
  const float largest = @_max(n, x);
  float sum = 0.0f;
  int j;
  for (j = 0; j < n; ++j) sum += y[j] = @_exp(x[j] - largest);
  for (j = 0; j < n; ++j) y[j] /= sum;
}
)"},
    Function{"log_softmax", "exp log max", R"(
static void @_log_softmax(int n, const float *x, float *y) {
  const float largest = @_max(n, x);
  float sum = 0.0f;
  int j;
  for (j = 0; j < n; ++j) sum += @_exp(x[j] - largest);
  sum = @_log(sum);
  for (j = 0; j < n; ++j) y[j] = (x[j] - largest) - sum;
}
)"},
    Function{"sum", "", R"(
static float @_sum(int n, const float *x) {
  float sum = 0.0f;
  int j;
  for (j = 0; j < n; ++j) sum += x[j];
  return sum;
}
)"},
    Function{"min", "", R"(
static float @_min(int n, const float *x) {
  float smallest = x[0];
  int j;
  for (j = 1; j < n; ++j) smallest = x[j] < smallest || x[j] != x[j] ? x[j] : smallest;
  return smallest;
}
)"},
    // The sums of a tile stay in registers: of vectors, or of a plain floating-point unit.
    Function{"tile", "", R"(
#if defined(__SSE__) || defined(__ARM_NEON) || defined(__wasm_simd128__) || defined(__riscv_vector)
#define @@_TILE 32
#else
#define @@_TILE 8
#endif
)"},
    Function{"multiply", "tile", R"(
/* y += W x for W (n,k): blocks of 32 rows, each column by column; the rows that are left, one by one. */
@@_CLONED
static void @_multiply(int n, int k, const float *@@_RESTRICT w, const float *@@_RESTRICT x,
                       float *@@_RESTRICT y) {
  int i, j, p;
  for (; n >= 32; n -= 32, w += 32 * k, y += 32) {
    for (j = 0; j < 32; j += @@_TILE) {
      const float *v = w + j;
      float sum[@@_TILE];
      for (i = 0; i < @@_TILE; ++i) sum[i] = y[j + i];
      for (p = 0; p + 2 <= k; p += 2, v += 64)
        for (i = 0; i < @@_TILE; ++i) sum[i] += x[p] * v[i] + x[p + 1] * v[32 + i];
      for (; p < k; ++p, v += 32)
        for (i = 0; i < @@_TILE; ++i) sum[i] += x[p] * v[i];
      for (i = 0; i < @@_TILE; ++i) y[j + i] = sum[i];
    }
  }
  for (; n > 0; --n, ++y, w += k) {
    const int fours = k & ~3;
    float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
    for (p = 0; p < fours; p += 4) {
      a += w[p] * x[p];
      b += w[p + 1] * x[p + 1];
      c += w[p + 2] * x[p + 2];
      d += w[p + 3] * x[p + 3];
    }
    for (p = fours; p < k; ++p) a += w[p] * x[p];
    *y += (a + b) + (c + d);
  }
}
)"},
    Function{"multiply_int8", "tile", R"(
/* y += W x for W (n,k), whose row j is scale[j] times bytes: blocks of 32 rows, each column by column; the
   rows that are left, one by one. */
@@_CLONED
static void @_multiply_int8(int n, int k, const int8_t *@@_RESTRICT w, const float *@@_RESTRICT scale,
                            const float *@@_RESTRICT x, float *@@_RESTRICT y) {
  int i, j, p;
  for (; n >= 32; n -= 32, w += 32 * k, scale += 32, y += 32) {
    for (j = 0; j < 32; j += @@_TILE) {
      const int8_t *v = w + j;
      float sum[@@_TILE];
      for (i = 0; i < @@_TILE; ++i) sum[i] = 0.0f;
      for (p = 0; p < k; ++p, v += 32)
        for (i = 0; i < @@_TILE; ++i) sum[i] += x[p] * (float)v[i];
      for (i = 0; i < @@_TILE; ++i) y[j + i] += scale[j + i] * sum[i];
    }
  }
  for (; n > 0; --n, ++y, ++scale, w += k) {
    float sum = 0.0f;
    for (p = 0; p < k; ++p) sum += x[p] * (float)w[p];
    *y += *scale * sum;
  }
}
)"},
};

void add(std::string_view name, std::set<std::string_view>& wanted) {
  for (const Function& function : kFunctions) {
    if (function.name != name || !wanted.insert(name).second) continue;
    for (std::size_t at = 0; at < function.calls.size();) {
      const std::size_t end = std::min(function.calls.find(' ', at), function.calls.size());
      add(function.calls.substr(at, end - at), wanted);
      at = end + 1;
    }
  }
}

}  // namespace

std::string c_functions(const std::set<std::string>& names) {
  std::set<std::string_view> wanted;
  for (const std::string& name : names) add(name, wanted);
  std::string text;
  for (const Function& function : kFunctions)
    if (wanted.count(function.name) != 0) text += function.text;
  return text;
}

}  // namespace unroll::detail
