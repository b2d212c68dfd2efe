// 16-bit numbers are converted as the library converts them, bit for bit, and types have the dtypes that they should.
#include "check.hpp"

#include <cmath>

struct engine_half {
  std::uint16_t bits;
};
struct engine_bfloat {
  std::uint16_t bits;
};
template <>
struct radam::dtype_of<engine_half> : radam::dtype_constant<radam::Dtype::f16> {};
template <>
struct radam::dtype_of<engine_bfloat> {
  static constexpr radam_dtype value = RADAM_DTYPE_BF16;
};

static std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

static float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// The library rounds f32 parameters to a copy in each step; with an lr of 0 they stay what they are.
template <class Half>
static std::vector<Half> rounded_by_the_library(std::vector<float> values) {
  std::vector<float> grad(values.size());
  std::vector<Half> copy(values.size());
  radam::Param param;
  param.data = values;
  param.grad = grad;
  param.copy = copy;
  param.len = values.size();
  radam::Optimizer opt;
  radam::GroupOptions options;
  options.lr = 0;
  opt.add_param(opt.add_group(options), param);
  opt.step();
  return copy;
}

template <class Half>
static void conversions_are_the_librarys() {
  std::vector<float> values;
  // Every 16-bit number, its neighbours in f32 and the middle to the next: ties, denormals and what overflows.
  for (std::uint32_t i = 0; i < 1u << 16; i++) {
    Half half{};
    half.bits = static_cast<std::uint16_t>(i);
    const float value = half;
    if (std::isnan(value)) {
      CHECK(std::isnan(static_cast<float>(Half(value))));
      continue;
    }
    CHECK(Half(value).bits == i);
    Half next = half;
    next.bits++;
    const float middle = std::isfinite(value) && std::isfinite(static_cast<float>(next)) ? value / 2 + static_cast<float>(next) / 2 : value;
    for (const float near : {value, middle}) {
      for (const std::uint32_t offset : {0u, 1u, ~0u}) values.push_back(float_of(bits_of(near) + offset));
    }
  }
  for (std::uint32_t i = 0; i < 300000; i++) values.push_back(float_of(i * 2654435761u));
  const std::vector<Half> expected = rounded_by_the_library<Half>(values);
  for (std::size_t i = 0; i < values.size(); i++) {
    const Half rounded(values[i]);
    if (std::isnan(values[i])) {
      CHECK(std::isnan(static_cast<float>(rounded)));
    } else {
      CHECK(rounded.bits == expected[i].bits);
    }
  }
}

// What the library says of parameters of each pair of types.
template <class T, class G>
static void has_dtypes(radam_dtype dtype, radam_dtype grad_dtype) {
  std::vector<T> data(3);
  std::vector<G> grad(3);
  radam::Optimizer opt;
  const radam::GroupId group = opt.add_group(group_options());
  const radam::ParamId ids[] = {opt.add_param(group, data, grad), opt.add_param<T, G>(group, 3)};
  for (const radam::ParamId id : ids) {
    const radam_param param = opt.param(id).c();
    CHECK(param.dtype == dtype && param.grad_dtype == grad_dtype && param.len == 3);
  }
  opt.step();
}

int main() {
  conversions_are_the_librarys<radam::float16>();
  conversions_are_the_librarys<radam::bfloat16>();
  has_dtypes<float, float>(RADAM_DTYPE_F32, RADAM_DTYPE_F32);
  has_dtypes<double, double>(RADAM_DTYPE_F64, RADAM_DTYPE_F64);
  has_dtypes<radam::bfloat16, float>(RADAM_DTYPE_BF16, RADAM_DTYPE_F32);
  has_dtypes<float, radam::float16>(RADAM_DTYPE_F32, RADAM_DTYPE_F16);
  has_dtypes<engine_half, engine_bfloat>(RADAM_DTYPE_F16, RADAM_DTYPE_BF16);
#ifdef __STDCPP_BFLOAT16_T__
  has_dtypes<std::bfloat16_t, std::float16_t>(RADAM_DTYPE_BF16, RADAM_DTYPE_F16);
#endif
  static_assert(std::is_trivial_v<radam::bfloat16> && std::is_trivial_v<radam::float16>);
}
