// What every tensor library on xtensor costs a file: the unit of the header budget.
#include <xtensor/xarray.hpp>

int main() {
  const xt::xarray<float> x = xt::xarray<float>::from_shape({2, 3});
  return static_cast<int>(x(1, 2));
}
