-- Which arrays are taken, and how long they live. SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local radam = require "radam"
local check = require "check"
local test, fails = check.test, check.fails

local function collect() for _ = 1, 3 do collectgarbage() end end

-- An optimizer with one parameter, whose arrays only it and the weak table refer to.
local function optimizer_with(weak)
  local opt = radam.new()
  local group = opt:add_group {lr = 0.1}
  weak.data, weak.grad = ffi.new("float[?]", 1000, 1), ffi.new("float[?]", 1000, 1)
  opt:add_param(group, {data = weak.data, grad = weak.grad, name = "weight"})
  return opt
end

local function weak_table() return setmetatable({}, {__mode = "v"}) end

test("registered arrays live as long as they are registered, and no longer", function()
  local weak = weak_table()
  local opt = optimizer_with(weak)
  collect()
  check.equal(weak.data ~= nil and weak.grad ~= nil, true)
  opt:step()
  opt:set_grad(0, ffi.new("float[?]", 1000))
  collect()
  check.equal(weak.grad, nil)
  check.equal(weak.data ~= nil, true)
  opt:remove_param(0)
  collect()
  check.equal(weak.data, nil)

  opt = optimizer_with(weak)
  opt:free()
  collect()
  check.equal(weak.data, nil)
end)

test("an array that was refused is not kept, and the registered one is", function()
  local weak = weak_table()
  local opt = optimizer_with(weak)
  weak.refused = ffi.new("float[?]", 999)
  fails("RADAM_ERROR_INVALID_ARGUMENT", 'data of "weight" has 999 elements; it must have 1000', opt.set_data, opt, 0,
    weak.refused)
  collect()
  check.equal(weak.refused, nil)
  check.equal(opt:param(0).data, weak.data)
end)

test("a collected optimizer is freed once", function()
  local native = require "radam.native"
  -- The token of an optimizer, without the finalizer. No stack slot of this function refers to the optimizer.
  local token = (function() return tonumber(ffi.cast("uintptr_t", radam.new().handle)) end)()
  check.equal(native.C.radam_step(ffi.cast("radam_optimizer *", token)), 0)
  collect()
  local status = native.C.radam_step(ffi.cast("radam_optimizer *", token))
  fails("RADAM_ERROR_INVALID_HANDLE", "freed", native.check, status)

  local opt = radam.new()
  opt:free()
  fails("RADAM_ERROR_INVALID_HANDLE", "the optimizer has been freed", opt.free, opt)
  fails("RADAM_ERROR_INVALID_HANDLE", "the optimizer has been freed", opt.step, opt)
  fails("RADAM_ERROR_INVALID_HANDLE", "the optimizer has been freed", opt.advice, opt)
  for _ = 1, 200 do optimizer_with(weak_table()):step() end
end)

test("a view keeps its owner, and knows its length", function()
  local weak = weak_table()
  weak.owner = ffi.new("struct { float weight[8]; float grad[8]; }")
  weak.owner.grad[7] = 1
  local opt = radam.new()
  local group = opt:add_group {lr = 0.1}
  local pointer = function(field) return ffi.cast("float *", field) end
  opt:add_param(group, {data = radam.view(pointer(weak.owner.weight), 8, weak.owner),
    grad = radam.view(pointer(weak.owner.grad), 8, weak.owner)})
  collect()
  opt:step()
  check.near(weak.owner.weight[7], -0.1, 1e-7)
  opt:set_data(0, nil)
  opt:set_grad(0, nil)
  collect()
  check.equal(weak.owner, nil)
end)

test("only arrays of the right type and length are taken", function()
  local opt = radam.new()
  local group = opt:add_group {lr = 0.1}
  local ok = ffi.new("float[4]")
  local part = ffi.new("struct { float weight[4]; }")
  for message, param in pairs {
    ["data is a table; it must be an array"] = {data = {1, 2}},
    ["data is a string; it must be an array"] = {data = "weight"},
    ["data is a ctype<float *>; it must be an array"] = {data = ffi.cast("float *", ok)},
    ["data is a ctype<float (&)[4]>; it must be an array"] = {data = part.weight},
    ["data is a ctype<const float [4]>; it must be an array"] = {data = ffi.new("const float[4]")},
    ["data is a ctype<int [4]>; it must be an array"] = {data = ffi.new("int[4]")},
    ["data is a ctype<float [2][2]>; it must be an array"] = {data = ffi.new("float[2][2]")},
    ['name their dtype, "f16" or "bf16"'] = {data = ffi.new("uint16_t[4]")},
    ["data has elements of type float; those of f64 are double"] = {data = ok, dtype = "f64"},
    ["grad has elements of type unsigned short, and the parameter is f32"] = {data = ok, grad = ffi.new("uint16_t[4]")},
    ['grad of "w" has elements of type double, and the parameter is f32; if that is meant, name grad_dtype'] =
      {data = ok, grad = ffi.new("double[4]"), name = "w"},
    ["grad has elements of type double; those of bf16 are unsigned short"] =
      {data = ok, grad = ffi.new("double[4]"), grad_dtype = "bf16"},
    ['grad of "w" has 3 elements; it must have 4'] = {data = ok, grad = ffi.new("float[3]"), name = "w"},
    ["exp_avg has 5 elements; it must have 4"] = {data = ok, exp_avg = ffi.new("float[5]")},
    ["data has 4 elements; it must have 5"] = {data = ok, len = 5},
    ["dtype is missing"] = {grad = ok},
    ["len is missing"] = {dtype = "f32"},
    ["name is 3; it must be a string"] = {data = ok, name = 3},
  } do
    fails("RADAM_ERROR_INVALID_ARGUMENT", message, opt.add_param, opt, group, param)
    local _, failure = pcall(opt.add_param, opt, group, param)
    check.equal(failure.message:find("params", 1, true), nil)
    local place = param.name == "w" and ' of "w" ' or "params[2]."
    fails("RADAM_ERROR_INVALID_ARGUMENT", place, opt.add_params, opt, group, {{data = ok}, param})
  end
  fails("RADAM_ERROR_INVALID_ARGUMENT", "param is nil; it must be a table", opt.add_param, opt, group)
  fails("RADAM_ERROR_INVALID_ARGUMENT", "params is nil; it must be a list", opt.add_params, opt, group)
  fails("RADAM_ERROR_INVALID_ARGUMENT", "pointer is 7", radam.view, 7, 1)
  check.equal(opt:add_param(group, {data = ok}), 0)
end)

test("parameters without data are bound later, and buffers are swapped all at once", function()
  local opt = radam.new()
  local group = opt:add_group {lr = 0.1, params = {{dtype = "f32", len = 2}, {dtype = "f32", len = 2}}}
  check.equal(opt:step {report = true}.params_stepped, 0)
  local a, b = ffi.new("float[2]"), ffi.new("float[2]")
  local ones = ffi.new("float[2]", 1)
  opt:set_tensors(0, {a, b}, {ones, false})
  check.equal(opt:step {report = true}.params_stepped, 1)
  check.near(a[1], -0.1, 1e-7)
  opt:set_tensors(0, {b, a}, {ones, ones})
  check.equal(opt:param(0).data, b)
  check.equal(opt:param(1).grad, ones)
  opt:step()
  check.equal(b[1] < 0 and a[1] < -0.15, true)
  fails("RADAM_ERROR_INVALID_ARGUMENT", "overlap", opt.set_tensors, opt, 0, {a, a})
  fails("RADAM_ERROR_INVALID_ARGUMENT", "grad of parameter 1 has 3 elements", opt.set_tensors, opt, 0, nil,
    {false, ffi.new("float[3]")})
  fails("RADAM_ERROR_INVALID_ARGUMENT", "grads is nil; it must be a list", opt.set_tensors, opt, 0)
  fails("RADAM_ERROR_INVALID_ARGUMENT", "first is 1 and count is 2", opt.set_tensors, opt, 1, {a, b})
  check.equal(opt:param(0).data, b)
  opt:set_tensors(0, nil, {false, false})
  check.equal(opt:param(0).grad, nil)
  check.equal(opt:step {report = true}.params_stepped, 0)
end)

test("a group is added with all its parameters or not at all, and ids stay right", function()
  local opt = radam.new()
  local a, b = ffi.new("float[1]"), ffi.new("double[1]")
  fails("RADAM_ERROR_INVALID_ARGUMENT", "params[2].name is \"same\"", opt.add_group, opt,
    {lr = 1, params = {{data = a, name = "same"}, {data = b, name = "same"}}})
  check.equal(opt:add_group {lr = 1, params = {{data = a}}}, 0)
  check.equal(opt:add_group {lr = 1, params = {{data = b, name = "second"}}}, 1)
  check.equal(opt:param(1).data, b)
  check.equal(opt:param(1).group, 1)
  check.equal(opt:param_id("second"), 1)
  check.equal(opt:param(0).name, "param.0")
end)

test("errors of the library name the parameter, and count from 1", function()
  local opt = radam.new()
  local both = ffi.new("float[8]")
  local function part(first, name) return {data = radam.view(both + first, 4, both), name = name} end
  local group = opt:add_group {lr = 1, params = {part(0, "a")}}
  local function refused(message, ...) fails("RADAM_ERROR_INVALID_ARGUMENT", message, ...) end
  refused('data of "b" is 0x', opt.add_param, opt, group, part(3, "b"))
  refused("data is 0x", opt.add_param, opt, group, part(3))
  refused("params[2].data is 0x", opt.add_params, opt, group, {part(4), part(6)})
  refused('name is "a"', opt.add_param, opt, group, part(4, "a"))
  local unaligned = radam.view(ffi.cast("float *", ffi.cast("char *", both) + 1), 4, both)
  refused("data[1] is 0x", opt.set_tensors, opt, 0, {unaligned})
end)

test("the caller's arrays can hold the state", function()
  local weight, grad = ffi.new("uint16_t[2]"), ffi.new("float[2]", 1)
  local exp_avg, exp_avg_sq, remainder = ffi.new("float[2]"), ffi.new("float[2]"), ffi.new("int16_t[2]")
  local opt = radam.new()
  opt:add_group {lr = 0.1, state_dtype = "f32", master_remainder = true, params = {
    {data = weight, dtype = "bf16", grad = grad, grad_dtype = "f32", exp_avg = exp_avg, exp_avg_sq = exp_avg_sq,
      kahan_comp = remainder}}}
  opt:step()
  check.equal(exp_avg[1], 1)
  check.equal(exp_avg_sq[1], 1)
  check.equal(remainder[1] ~= 0, true)
end)
