-- Wrong arguments give a status and a sentence, and change nothing. SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local radam = require "radam"
local check = require "check"
local test = check.test

local function refused(message, call, ...) check.fails("RADAM_ERROR_INVALID_ARGUMENT", message, call, ...) end

test("options of a group are all that the library has, and are what was set", function()
  local all = {decouple_wd = true, decouple_lr = false, kahan_sum = true, for_each = false, gradient_release = true,
    maximize = true, rectify = false, state_dtype = "f32", unrectified = false, lr = 0.5, beta1 = 0.8, beta2 = 0.95,
    weight_decay = 0.25, eps = 0.125, max_lr = 2, rectify_threshold = 4.5, seed = 77, master_remainder = false,
    stochastic_rounding = false}
  local opt = radam.new {num_threads = 2, parallel_from = 1000}
  local group = opt:add_group(all)
  local got = opt:group_options(group)
  for key, value in pairs(got) do check.equal(value, all[key]) end
  for key, value in pairs(all) do check.equal(got[key], value) end
  opt:set_group_options(group, {beta1 = 0.7, rectify = "auto"})
  got = opt:group_options(group)
  check.equal(got.beta1, 0.7)
  check.equal(got.rectify, "auto")
  check.equal(got.beta2, 0.95)
  refused("beta2 is 1.5", opt.set_group_options, opt, group, {beta1 = 0.6, beta2 = 1.5})
  check.equal(opt:group_options(group).beta1, 0.7)
end)

test("options of the wrong type or name are refused", function()
  local opt = radam.new()
  refused("wieght_decay is not an option here; these are: beta1, beta2,", opt.add_group, opt, {wieght_decay = 0})
  refused('rectify is 1; it must be true, false or "auto"', opt.add_group, opt, {lr = 1, rectify = 1})
  refused("lr is fast; it must be a number", opt.add_group, opt, {lr = "fast"})
  refused("state_dtype is f8", opt.add_group, opt, {lr = 1, state_dtype = "f8"})
  refused("seed is -1; it must be a whole number", opt.add_group, opt, {lr = 1, seed = -1})
  refused("the options are 3; they must be a table", opt.add_group, opt, 3)
  refused("lr is NaN", opt.add_group, opt, {})
  refused("num_threads is 5000", radam.new, {num_threads = 5000})
  refused("allocator is not an option here; these are: num_threads, parallel_from", radam.new, {allocator = 1})
end)

test("ids are whole numbers of something that exists", function()
  local opt = radam.new()
  local group = opt:add_group {lr = 1, params = {{data = ffi.new("float[1]")}}}
  refused("group is 5", opt.set_lr, opt, 5, 1)
  refused("group is -1; it must be a whole number from 0 to 4294967295", opt.lr, opt, -1)
  refused("group is 0.5", opt.weight_decay, opt, 0.5)
  refused("group is nil", opt.group_report, opt)
  refused("param is 9", opt.set_grad, opt, 9, ffi.new("float[1]"))
  refused("param is 4294967296", opt.step_count, opt, 2 ^ 32)
  refused("param is 9", opt.set_data, opt, 9, nil)
  refused("no parameter", opt.param_id, opt, "unknown")
  refused("it must be a string without NUL", opt.param_id, opt, "param.0\0")
  refused("lr is -1", opt.set_lr, opt, group, -1)
  refused("lr is x; it must be a number", opt.set_lr, opt, group, "x")
  check.equal(opt:lr(group), 1)
end)

test("step options are checked", function()
  local opt = radam.new()
  opt:add_group {lr = 1, gradient_release = true, params = {{data = ffi.new("float[1]")}}}
  refused("max_grad_norm is -1", opt.step, opt, {max_grad_norm = -1})
  refused("max_norm is not an option here", opt.step, opt, {max_norm = 1})
  refused("grad_sums is 3; it must come from radam.grad_sums()", opt.step, opt, {grad_sums = 3})
  refused("grad has 2 elements; it must have 1", opt.step_tensor, opt, 0, nil, ffi.new("float[2]"))
  refused("data has 2 elements; it must have 1", opt.step_tensor, opt, 0, ffi.new("float[2]"), ffi.new("float[1]"))
  refused("grad has elements of type double", opt.step_tensor, opt, 0, nil, ffi.new("double[1]"))
  refused("max_grad_norm", opt.step_tensor, opt, 0, nil, ffi.new("float[1]"), {max_grad_norm = 1})
  refused("param is 3", opt.step_tensor, opt, 3, nil, ffi.new("float[2]"))
  local sums = radam.grad_sums()
  sums.struct.words[3] = -1
  refused("sums.words[3] is -1", sums.value, sums)
  refused("into is nil; it must come from radam.grad_sums()", opt.measure, opt)
  check.fails("RADAM_ERROR_NULL_POINTER", "grad is nil", opt.step_tensor, opt, 0, nil, nil)
  check.fails("RADAM_ERROR_INVALID_STATE", "no step is open; begin_step opens one", opt.wave, opt)
  opt:begin_step()
  check.fails("RADAM_ERROR_BUSY", "the optimizer has an open step, which begin_step opened", opt.step, opt)
  check.fails("RADAM_ERROR_INVALID_STATE", "wave begins one", opt.chunk, opt, 0)
  refused("seconds is -1; it must be at least 0", opt.step_for, opt, -1)
  refused("seconds is nan", opt.step_for, opt, 0 / 0)
  check.equal(opt:step_for(math.huge), 0)
  opt:end_step()
end)

test("an uncaught error has the status and the sentence", function()
  local _, failure = pcall(radam.new, {num_threads = 5000})
  check.equal(tostring(failure):match("^RADAM_ERROR_INVALID_ARGUMENT: num_threads is 5000") ~= nil, true)
end)

test("advice names settings that are known to fail", function()
  local opt = radam.new()
  opt:add_group {lr = 1, params = {{data = ffi.new("float[1]")}}}
  check.equal(opt:advice(), nil)
  opt:add_group {lr = 1, params = {{data = ffi.new("uint16_t[1]"), dtype = "f16"}}}
  check.equal(opt:advice():match("exp_avg_sq") ~= nil, true)
end)
