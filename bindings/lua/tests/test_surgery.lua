-- Changes while training: schedules, state, freezing, removing. SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local radam = require "radam"
local check = require "check"
local test = check.test

local function optimizer(options)
  local weight, grad = ffi.new("float[3]", 1), ffi.new("float[3]", 1)
  local opt = radam.new()
  options = options or {lr = 0.1}
  options.params = {{data = weight, grad = grad, name = "weight"}}
  opt:add_group(options)
  return opt, weight, grad
end

test("schedules of lr and weight_decay reach the next step", function()
  local opt, weight = optimizer {lr = 0.1, decouple_wd = true}
  opt:set_lr(0, 0.5)
  check.equal(opt:lr(0), 0.5)
  check.equal(opt:group_report(0).effective_lr, 0.5)
  opt:set_weight_decay(0, 0.2)
  check.equal(opt:weight_decay(0), 0.2)
  check.near(opt:group_report(0).decay_factor, 0.9, 1e-15)
  opt:step()
  check.near(weight[0], 0.9 - 0.5, 1e-6)
end)

test("state is copied out and in", function()
  local opt = optimizer()
  opt:step()
  local exp_avg, dtype = opt:state(0, "exp_avg")
  check.equal(dtype, "f32")
  check.equal(exp_avg[2], 1)
  exp_avg[2] = 7
  check.equal(opt:state(0, "exp_avg")[2], 1)
  opt:set_state(0, "exp_avg", exp_avg)
  check.equal(opt:state(0, "exp_avg")[2], 7)
  check.equal(opt:state(0, "kahan_comp"), nil)
  check.fails("RADAM_ERROR_INVALID_ARGUMENT", "which is momentum", opt.state, opt, 0, "momentum")
  check.fails("RADAM_ERROR_INVALID_ARGUMENT", "array has 2 elements; it must have 3", opt.set_state, opt, 0, "exp_avg",
    ffi.new("float[2]"))
  opt:set_group_options(0, {kahan_sum = true})
  check.equal(opt:state(0, "kahan_comp")[0], 0)
end)

test("step counts, reset and freezing", function()
  local opt, weight = optimizer()
  opt:step()
  check.equal(opt:step_count(0), 1)
  opt:set_step_count(0, 41)
  check.equal(opt:group_report(0).step, 42)
  opt:reset_state(0)
  check.equal(opt:step_count(0), 0)
  check.equal(opt:state(0, "exp_avg")[0], 0)
  opt:set_step_count(0, 5)
  opt:reset_state()
  check.equal(opt:step_count(0), 0)
  local before = weight[0]
  opt:set_frozen(0, true)
  check.equal(opt:frozen(0), true)
  opt:step()
  check.equal(weight[0], before)
  opt:set_frozen(0, false)
  check.equal(opt:frozen(0), false)
  opt:step()
  check.equal(weight[0] < before, true)
end)

test("a removed parameter is gone, and its name can be used again", function()
  local opt = optimizer()
  opt:remove_param(0)
  check.fails("RADAM_ERROR_INVALID_ARGUMENT", "removed", opt.step_count, opt, 0)
  check.equal(opt:add_param(0, {data = ffi.new("float[1]"), name = "weight"}), 1)
  check.equal(opt:param_id("weight"), 1)
end)

test("accumulation moves the moments only", function()
  local opt, weight = optimizer()
  opt:set_accumulation(true)
  check.equal(opt:accumulation(), true)
  opt:step()
  check.equal(weight[0], 1)
  check.equal(opt:state(0, "exp_avg")[0], 1)
  opt:set_accumulation(false)
  check.equal(opt:accumulation(), false)
  opt:step()
  check.equal(weight[0] < 1, true)
end)

test("zero_grad zeroes registered gradients", function()
  local opt, _, grad = optimizer()
  opt:zero_grad()
  check.equal(grad[2], 0)
end)
