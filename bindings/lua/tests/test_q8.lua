-- State of 8 bits. SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local radam = require "radam"
local check = require "check"
local test = check.test

local LEN, BLOCKS = 5000, 40

local function noise(array, seed)
  for i = 0, LEN - 1 do array[i] = ((i * 7919 + seed * 104729) % 2003) / 1001 - 1 end
end

local function optimizer(param)
  local opt = radam.new {num_threads = 2}
  opt:add_group {lr = 0.01, state_dtype = "q8", seed = 7, params = {param}}
  return opt
end

test("8-bit state has the same codes in the library's arrays and the caller's", function()
  local grad, ours, theirs = ffi.new("float[?]", LEN), ffi.new("float[?]", LEN), ffi.new("float[?]", LEN)
  local codes = {exp_avg = ffi.new("int8_t[?]", LEN), exp_avg_sq = ffi.new("uint8_t[?]", LEN),
    state_scale = ffi.new("uint32_t[?]", BLOCKS)}
  local opt = optimizer {data = ours, grad = grad}
  local given = optimizer {data = theirs, grad = grad, exp_avg = codes.exp_avg, exp_avg_sq = codes.exp_avg_sq,
    state_scale = codes.state_scale}
  for step = 1, 8 do
    noise(grad, step)
    opt:step()
    given:step()
    check.same_bits(ours, theirs)
    for which, expected in pairs {exp_avg = "i8", exp_avg_sq = "u8", state_scale = "u32"} do
      local state, dtype = opt:state(0, which)
      check.equal(dtype, expected)
      check.same_bits(state, codes[which])
    end
  end
  for block = 0, BLOCKS - 1 do check.equal(codes.state_scale[block] ~= 0, true) end
  check.equal(opt:group_options(0).state_dtype, "q8")

  -- A step from state that was copied in, and from the same state converted to f32 and looked at.
  local other_data = ffi.new("float[?]", LEN)
  ffi.copy(other_data, ours, ffi.sizeof(ours))
  local other = optimizer {data = other_data, grad = grad}
  for which in pairs(codes) do other:set_state(0, which, (opt:state(0, which))) end
  other:set_step_count(0, 8)
  opt:step()
  other:step()
  check.same_bits(ours, other_data)
  opt:set_group_options(0, {state_dtype = "f32"})
  check.equal(select(2, opt:state(0, "exp_avg")), "f32")
  check.equal(opt:state(0, "state_scale"), nil)
end)

test("compensations beside 8-bit state have the dtype of the parameter", function()
  local function half() return ffi.new("uint16_t[?]", LEN, 0x3c00) end
  local data, grad, kahan = half(), half(), ffi.new("uint16_t[?]", LEN)
  local opt = optimizer {data = data, grad = grad, dtype = "f16", kahan_comp = kahan}
  for _ = 1, 3 do opt:step() end
  local state, dtype = opt:state(0, "kahan_comp")
  check.equal(dtype, "f16")
  check.same_bits(state, kahan)
  check.equal(kahan[LEN - 1] ~= 0, true)
  check.fails("RADAM_ERROR_INVALID_ARGUMENT", "kahan_comp has elements of type float; those of f16", opt.add_param, opt, 0,
    {data = half(), dtype = "f16", kahan_comp = ffi.new("float[?]", LEN)})
  opt:add_param(0, {dtype = "f16", len = 9, kahan_comp = ffi.new("float[9]")})
end)

test("8-bit state is for large tensors, and for state only", function()
  local function refused(message, call, ...) check.fails("RADAM_ERROR_INVALID_ARGUMENT", message, call, ...) end
  local opt, data = optimizer {dtype = "f32", len = 4095}, ffi.new("float[?]", LEN)
  check.equal(select(2, opt:state(0, "exp_avg")), "f32")
  check.equal(opt:state(0, "state_scale"), nil)
  opt:add_param(0, {dtype = "f32", len = 100, tensor_offset = 128, tensor_len = 4096})
  check.equal(select(2, opt:state(1, "exp_avg")), "i8")
  check.equal(ffi.sizeof((opt:state(1, "state_scale"))), 4)
  local function add(param) return opt:add_param(0, param) end
  refused("dtype is q8, which is for state_dtype only", add, {dtype = "q8", len = LEN})
  refused("grad_dtype is q8, which is for state_dtype only", add, {data = data, grad_dtype = "q8"})
  refused("state_dtype is q8", add, {dtype = "f64", len = LEN})
  refused("exp_avg has elements of type float; those of i8", add, {data = data, exp_avg = data})
  refused("state_scale has 41 elements; it must have 40", add, {data = data, state_scale = ffi.new("uint32_t[41]")})
  refused("tensor_offset is 100", add, {dtype = "f32", len = 100, tensor_offset = 100, tensor_len = LEN})
  refused('state_dtype is q4; it must be "f32", "f64", "f16" or "bf16", or "q8"', opt.add_group, opt,
    {lr = 1, state_dtype = "q4"})
  refused("array has elements of type float; those of i8", opt.set_state, opt, 1, "exp_avg", ffi.new("float[100]"))
end)
