// The structs of C++ say the same as those of C, field by field: what is set through one is read through the other.
#include "check.hpp"

// Every field differs from its default, and none is AUTO.
static radam_group_options unusual() {
  radam_group_options c;
  ok(radam_group_options_init(&c, sizeof c));
  c.decouple_wd = RADAM_ON;
  c.decouple_lr = RADAM_ON;
  c.kahan_sum = RADAM_OFF;
  c.for_each = RADAM_OFF;
  c.gradient_release = RADAM_ON;
  c.maximize = RADAM_ON;
  c.rectify = RADAM_OFF;
  c.state_dtype = RADAM_DTYPE_F32;
  c.master_remainder = RADAM_ON;
  c.stochastic_rounding = RADAM_OFF;
  c.unrectified = RADAM_OFF;
  c.lr = 0.5;
  c.beta1 = 0.8;
  c.beta2 = 0.95;
  c.weight_decay = 0.25;
  c.eps = 1e-3;
  c.max_lr = 0.75;
  c.rectify_threshold = 4.5;
  c.seed = 77;
  return c;
}

static radam_group_options get(const radam::Optimizer& opt, std::uint32_t group) {
  radam_group_options c;
  ok(radam_group_options_init(&c, sizeof c));
  ok(radam_get_group_options(opt.handle(), group, &c));
  return c;
}

static void group_options_survive() {
  radam::Optimizer opt;
  radam_group_options c = unusual();
  std::uint32_t by_c = 77;
  ok(radam_add_param_group(opt.handle(), &c, nullptr, 0, &by_c));
  const radam::GroupId copy = opt.add_group(opt.group_options(by_c));
  const radam_group_options copied = get(opt, copy);
  CHECK(std::memcmp(&copied, &c, sizeof c) == 0);

  // Stochastic rounding and master_remainder exclude each other.
  c.master_remainder = RADAM_OFF;
  c.stochastic_rounding = RADAM_ON;
  ok(radam_set_group_options(opt.handle(), by_c, &c));
  opt.set_group_options(copy, opt.group_options(by_c));
  const radam_group_options changed = get(opt, copy);
  CHECK(std::memcmp(&changed, &c, sizeof c) == 0);
}

// What C leaves to the library is the same as what C++ has by default.
static void defaults_agree() {
  radam_group_options c;
  ok(radam_group_options_init(&c, sizeof c));
  c.lr = 0.5;
  c.max_lr = 0.5;  // what it becomes
  radam::GroupOptions options = radam::GroupOptions::from(c);
  const radam::GroupOptions defaults;
  CHECK(!(defaults.lr <= 0) && !(defaults.lr > 0));  // NaN: it must be set
  radam::GroupOptions same = defaults;
  same.lr = 0.5;
  same.max_lr = 0.5;
  const radam_group_options x = options.c(), y = same.c();
  CHECK(std::memcmp(&x, &y, sizeof x) == 0);

  radam_step_options step;
  ok(radam_step_options_init(&step, sizeof step));
  const radam_step_options plain = radam::StepOptions{}.c();
  CHECK(plain.grad_scale == step.grad_scale && plain.max_grad_norm == step.max_grad_norm);
  CHECK(plain.max_grad_value == step.max_grad_value && plain.grad_sums == step.grad_sums);
  CHECK(plain.skip_nonfinite == RADAM_OFF && plain.zero_grad == RADAM_OFF && plain.report_norms == RADAM_OFF);

  radam_options options_c;
  ok(radam_options_init(&options_c, sizeof options_c));
  const radam_options none = radam::Options{}.c();
  CHECK(std::memcmp(&none, &options_c, sizeof none) == 0);
}

// What a GPU needs, and the error of a machine that has none, or has no GPU of this number.
static void devices_are_passed_on() {
  int stream = 0;
  radam::Options options;
  options.device = radam::Device::cuda;
  options.cuda_device = 1000;
  options.cuda_stream = &stream;
  const radam_options c = options.c();
  CHECK(c.device == RADAM_DEVICE_CUDA && c.cuda_device == 1000 && c.cuda_stream == &stream);
  const radam_status status = radam::nothrow::Optimizer::create(options).code();
  CHECK(status == RADAM_ERROR_DEVICE || status == RADAM_ERROR_INVALID_ARGUMENT);
  radam::nothrow::Optimizer on_the_cpu;
  CHECK(on_the_cpu.set_stream(&stream).code() == RADAM_ERROR_INVALID_STATE);
}

static void params_survive() {
  float data[6]{}, grad[6]{}, exp_avg[6]{}, exp_avg_sq[6]{}, kahan_comp[6]{};
  radam::float16 copy[6]{};
  radam::GroupOptions options = group_options();
  options.kahan_sum = true;
  radam_param c;
  ok(radam_param_init(&c, sizeof c));
  c.dtype = RADAM_DTYPE_F32;
  c.grad_dtype = RADAM_DTYPE_F32;
  c.copy_dtype = RADAM_DTYPE_F16;
  c.len = 6;
  c.data = data;
  c.grad = grad;
  c.name = "full";
  c.copy = copy;
  c.exp_avg = exp_avg;
  c.exp_avg_sq = exp_avg_sq;
  c.kahan_comp = kahan_comp;
  c.tensor_offset = 6;
  c.tensor_len = 18;
  radam::Param param;
  {
    radam::Optimizer opt;
    const radam_group_options group = options.c();
    ok(radam_add_param_group(opt.handle(), &group, &c, 1, nullptr));
    param = opt.param(0);
    CHECK(param.name == nullptr && opt.param_name(0) == "full" && opt.param_id("full") == 0 && opt.group_of(0) == 0);
  }
  param.name = "full";
  const radam_param again = param.c();
  CHECK(std::memcmp(&again, &c, sizeof c) == 0);
  radam::Optimizer opt;
  opt.add_group(options);
  const std::uint32_t second = opt.add_group(options);
  CHECK(opt.add_param(second, param) == 0 && opt.group_of(0) == 1);
  radam_param found;
  ok(radam_param_init(&found, sizeof found));
  ok(radam_get_param(opt.handle(), 0, nullptr, &found));
  c.name = nullptr;
  CHECK(std::memcmp(&found, &c, sizeof c) == 0);
}

// The options of a step and its report, against the same step in C.
static void steps_agree() {
  radam::StepOptions options;
  radam::GradSums sums;
  const std::vector<float> other = numbers(50, 9);
  sums.add(other);
  for (int changed = 0; changed < 8; changed++) {
    options = {};
    if (changed == 1) options.grad_scale = 0.5;
    if (changed == 2) options.max_grad_norm = 0.25;
    if (changed == 3) options.max_grad_value = 0.125;
    if (changed == 4) options.skip_nonfinite = true;
    if (changed == 5) options.zero_grad = true;
    if (changed == 6) options.report_norms = true;
    if (changed == 7) options.grad_sums = &sums, options.max_grad_norm = 0.25;
    std::vector<float> w[2] = {numbers(100, 1), numbers(100, 1)}, g[2] = {numbers(100, 2), numbers(100, 2)};
    if (changed == 4) g[0][3] = g[1][3] = std::numeric_limits<float>::infinity();
    radam::Optimizer opt, twin;
    opt.add_param(opt.add_group(group_options()), w[0], g[0]);
    twin.add_param(twin.add_group(group_options()), w[1], g[1]);
    const radam::StepReport report = opt.step(options);

    radam_step_options c;
    radam_step_report expected;
    ok(radam_step_options_init(&c, sizeof c));
    ok(radam_step_report_init(&expected, sizeof expected));
    if (changed == 1) c.grad_scale = 0.5;
    if (changed == 2 || changed == 7) c.max_grad_norm = 0.25;
    if (changed == 3) c.max_grad_value = 0.125;
    if (changed == 4) c.skip_nonfinite = RADAM_ON;
    if (changed == 5) c.zero_grad = RADAM_ON;
    if (changed == 6) c.report_norms = RADAM_ON;
    if (changed == 7) c.grad_sums = &sums;
    ok(radam_step_with(twin.handle(), &c, &expected));
    CHECK(same_bits(w[0], w[1]) && same_bits(g[0], g[1]));
    CHECK(std::memcmp(&report, &expected, sizeof report) == 0);
    CHECK((changed == 4) == (report.skipped != 0) && report.threads == 1);
  }
}

int main() {
  group_options_survive();
  defaults_agree();
  devices_are_passed_on();
  params_survive();
  steps_agree();
}
