// Forecasts without a network, to measure one against: persistence, autoregression, season plus
// autoregression.
#pragma once

#include <vector>

#include "examples/next_value/series.hpp"

namespace unroll::examples::next_value {

// One-step forecasts: element i is the forecast of values[i] from the values before it, NaN where there is
// none.
using OneStep = std::vector<double>;

// Root of the mean squared error over a part. Throws ArgumentError when a forecast is missing there.
double rmse(const Series& series, const OneStep& forecast, const Part& part);

// x_i = x_{i-1}
OneStep persistence(const Series& series);

// x_i = c + a_1 x_{i-1} + .. + a_p x_{i-p}, by least squares over the first `fitted` values. Throws
// ArgumentError unless order >= 1 and more values than coefficients are there to fit.
OneStep autoregression(const Series& series, std::size_t order, std::size_t fitted);

// The season's mean plus phi times what the last value differed from its own: m_k the mean of every step k of
// the period over the first `fitted` values, d_i = x_i - m_{i mod period}, d_i = phi d_{i-1} by least
// squares. Throws ArgumentError when a season has no value there.
OneStep climatology(const Series& series, std::size_t fitted);

}  // namespace unroll::examples::next_value
