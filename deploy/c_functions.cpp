#include <fmt/format.h>

#include <string_view>

#include "deploy/c_code.hpp"

namespace unroll::detail {
namespace {

// NAME stands for the file's name. exp, tanh and log have the polynomials of Cephes (S. L. Moshier), the
// error function is formula 7.1.26 of Abramowitz and Stegun. Each has an absolute error of less than 3e-7
// times the larger of 1 and its value.
struct Function {
  std::string_view name, calls, text;
};

constexpr Function kFunctions[] = {
    {"bits", "", R"(
/* The float of these bits, and the bits of a float. */
static inline float NAME_float(uint32_t bits) {
  union { uint32_t bits; float value; } u;
  u.bits = bits;
  return u.value;
}
static inline uint32_t NAME_bits(float value) {
  union { uint32_t bits; float value; } u;
  u.value = value;
  return u.bits;
}
)"},
    {"exp", "bits", R"(
static inline float NAME_exp(float x) {
  const float above = x > -87.0f ? x : -87.0f, at = above < 88.5f ? above : 88.5f;
  const float shifted = at * 1.44269504f + 12582912.0f; /* its last bits: the nearest whole number */
  const float n = shifted - 12582912.0f;
  const float r = (at - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * r * r + r + 1.0f) * NAME_float((NAME_bits(shifted) << 23) + (127u << 23));
  return x == x ? p : x;
}
)"},
    {"sigmoid", "exp", R"(
static inline float NAME_sigmoid(float x) { return 1.0f / (1.0f + NAME_exp(-x)); }
)"},
    {"tanh", "exp", R"(
static inline float NAME_tanh(float x) {
  const float a = NAME_float(NAME_bits(x) & 0x7fffffffu);
  const float far = 1.0f - 2.0f / (NAME_exp(2.0f * a) + 1.0f);
  const float q = a * a;
  float p = -5.70498872745e-3f;
  p = p * q + 2.06390887954e-2f;
  p = p * q - 5.37397155531e-2f;
  p = p * q + 1.33314422036e-1f;
  p = p * q - 3.33332819422e-1f;
  p = p * q * a + a;
  p = a < 0.625f ? p : far;
  return NAME_float(NAME_bits(p) | (NAME_bits(x) & 0x80000000u));
}
)"},
    {"log", "bits", R"(
static inline float NAME_log(float x) {
  {
    const uint32_t half = NAME_bits(x) - 0x3f3504f3u;
    const int32_t e = (int32_t)(half >> 23) - ((half >> 31) != 0u ? 512 : 0);
    const float m = NAME_float((half & 0x007fffffu) + 0x3f3504f3u) - 1.0f, n = (float)e, q = m * m;
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
    p = x > 0.0f ? p : x < 0.0f ? NAME_float(0x7fc00000u) : NAME_float(0xff800000u);
    return x != x || x > 3.4e38f ? x : p;
  }
}
)"},
    {"softplus", "exp log", R"(
static inline float NAME_softplus(float x) {
  return (x > 0.0f ? x : 0.0f) + NAME_log(1.0f + NAME_exp(x > 0.0f ? -x : x));
}
)"},
    {"sqrt", "bits", R"(
static inline float NAME_sqrt(float x) {
  float r = NAME_float(0x5f3759dfu - (NAME_bits(x) >> 1));
  r = r * (1.5f - 0.5f * x * r * r);
  r = r * (1.5f - 0.5f * x * r * r);
  r = r * (1.5f - 0.5f * x * r * r);
  r = x * r;
  r = 0.5f * (r + x / r);
  return x > 0.0f ? (x > 3.4e38f ? x : r) : x < 0.0f ? NAME_float(0x7fc00000u) : x;
}
)"},
    {"normal_cdf", "exp", R"(
static inline float NAME_normal_cdf(float x) {
  const float z = x * 0.70710678f, a = z < 0.0f ? -z : z, t = 1.0f / (1.0f + 0.3275911f * a);
  const float q = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f +
                  t * 1.061405429f)))) * NAME_exp(-z * z);
  return z < 0.0f ? 0.5f * q : 1.0f - 0.5f * q;
}
)"},
    {"gelu", "normal_cdf", R"(
static inline float NAME_gelu(float x) { return x * NAME_normal_cdf(x); }
)"},
    {"elu", "exp", R"(
static inline float NAME_elu(float x, float c) { return x > 0.0f ? x : c * (NAME_exp(x) - 1.0f); }
)"},
    {"standardize", "sqrt", R"(
/* y = (x - mean) / sqrt(variance + eps) */
static void NAME_standardize(int n, const float *x, float eps, float *y) {
  float mean = 0.0f, variance = 0.0f, r;
  int j;
  for (j = 0; j < n; ++j) mean += x[j];
  mean /= (float)n;
  for (j = 0; j < n; ++j) variance += (x[j] - mean) * (x[j] - mean);
  r = 1.0f / NAME_sqrt(variance / (float)n + eps);
  for (j = 0; j < n; ++j) y[j] = (x[j] - mean) * r;
}
)"},
    {"softmax", "exp", R"(
static void NAME_softmax(int n, const float *x, float *y) {
  float most = x[0], sum = 0.0f;
  int j;
  for (j = 1; j < n; ++j) most = x[j] > most ? x[j] : most;
  for (j = 0; j < n; ++j) sum += y[j] = NAME_exp(x[j] - most);
  for (j = 0; j < n; ++j) y[j] /= sum;
}
)"},
    {"log_softmax", "exp log", R"(
static void NAME_log_softmax(int n, const float *x, float *y) {
  float most = x[0], sum = 0.0f;
  int j;
  for (j = 1; j < n; ++j) most = x[j] > most ? x[j] : most;
  for (j = 0; j < n; ++j) sum += NAME_exp(x[j] - most);
  sum = most + NAME_log(sum);
  for (j = 0; j < n; ++j) y[j] = x[j] - sum;
}
)"},
    {"sum", "", R"(
static float NAME_sum(int n, const float *x) {
  float sum = 0.0f;
  int j;
  for (j = 0; j < n; ++j) sum += x[j];
  return sum;
}
)"},
    {"max", "", R"(
static float NAME_max(int n, const float *x) {
  float most = x[0];
  int j;
  for (j = 1; j < n; ++j) most = x[j] > most ? x[j] : most;
  return most;
}
)"},
    {"min", "", R"(
static float NAME_min(int n, const float *x) {
  float least = x[0];
  int j;
  for (j = 1; j < n; ++j) least = x[j] < least ? x[j] : least;
  return least;
}
)"},
    {"multiply", "", R"(
/* y += W x for W (n,k): blocks of 32 rows, each column by column; the rows that are left one by one. */
static void NAME_multiply(int n, int k, const float *NAME_RESTRICT w, const float *NAME_RESTRICT x,
                          float *NAME_RESTRICT y) {
  int j, p;
  for (; n >= 32; n -= 32, y += 32) {
    float sum[32];
    for (j = 0; j < 32; ++j) sum[j] = y[j];
    for (p = 0; p < k; ++p, w += 32) {
      const float v = x[p];
      for (j = 0; j < 32; ++j) sum[j] += v * w[j];
    }
    for (j = 0; j < 32; ++j) y[j] = sum[j];
  }
  for (; n > 0; --n, ++y, w += k) {
    float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
    for (p = 0; p + 4 <= k; p += 4) {
      a += w[p] * x[p];
      b += w[p + 1] * x[p + 1];
      c += w[p + 2] * x[p + 2];
      d += w[p + 3] * x[p + 3];
    }
    for (; p < k; ++p) a += w[p] * x[p];
    *y += (a + b) + (c + d);
  }
}
)"},
    {"multiply_int8", "", R"(
/* y += W x for W (n,k), of which row j is scale[j] times bytes: blocks of 32 rows, each column by column; the
   rows that are left one by one. */
static void NAME_multiply_int8(int n, int k, const int8_t *NAME_RESTRICT w, const float *NAME_RESTRICT scale,
                               const float *NAME_RESTRICT x, float *NAME_RESTRICT y) {
  int j, p;
  for (; n >= 32; n -= 32, y += 32, scale += 32) {
    float sum[32];
    for (j = 0; j < 32; ++j) sum[j] = 0.0f;
    for (p = 0; p < k; ++p, w += 32) {
      const float v = x[p];
      for (j = 0; j < 32; ++j) sum[j] += v * (float)w[j];
    }
    for (j = 0; j < 32; ++j) y[j] += scale[j] * sum[j];
  }
  for (; n > 0; --n, ++y, ++scale, w += k) {
    float sum = 0.0f;
    for (p = 0; p < k; ++p) sum += x[p] * (float)w[p];
    *y += *scale * sum;
  }
}
)"},
};

void add(std::string_view name, std::set<std::string>& wanted) {
  for (const Function& f : kFunctions) {
    if (f.name != name || !wanted.insert(std::string(name)).second) continue;
    for (std::size_t at = 0; at < f.calls.size();) {
      const std::size_t end = std::min(f.calls.find(' ', at), f.calls.size());
      add(f.calls.substr(at, end - at), wanted);
      at = end + 1;
    }
  }
}

}  // namespace

std::string c_functions(const std::set<std::string>& functions, const CStyle& style) {
  std::set<std::string> wanted;
  for (const std::string& name : functions) add(name, wanted);
  std::string result;
  for (const Function& f : kFunctions) {
    if (wanted.count(std::string(f.name)) == 0) continue;
    std::string_view text = f.text;
    for (std::size_t at; (at = text.find("NAME_")) != std::string_view::npos; text.remove_prefix(at + 4))
      result += fmt::format("{}{}", text.substr(0, at), style.name);
    result += text;
  }
  // RESTRICT is a macro of the file.
  const std::string lower = style.name + "_RESTRICT";
  for (std::size_t at; (at = result.find(lower)) != std::string::npos;)
    result.replace(at, lower.size(), "RESTRICT");
  return result;
}

}  // namespace unroll::detail
