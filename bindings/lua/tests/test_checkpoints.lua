-- Saving and loading. SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local radam = require "radam"
local check = require "check"
local test, equal, fails = check.test, check.equal, check.fails

local N = 100000

-- Parameters are slices of tensors where offset and whole say so.
local function optimizer(len, offset, whole)
  local weight, grad = ffi.new("float[?]", len), ffi.new("float[?]", len)
  for i = 0, len - 1 do grad[i] = (offset or 0) + i end
  local opt = radam.new()
  local param = {data = weight, grad = grad, name = "weight", tensor_offset = offset, tensor_len = whole}
  opt:add_group {lr = 0.1, params = {param}}
  return opt
end

-- In the working folder of the tests; each test removes its own.
local function file(name) return "tests/checkpoint" .. name end

test("a file and a string restore the state", function()
  local opt, path = optimizer(N), file(".radam")
  opt:step()
  opt:set_lr(0, 0.05)
  opt:save(path)
  local checkpoint = opt:save_to_string()
  local from_file, from_string = optimizer(N), optimizer(N)
  from_file:load(path)
  from_string:load_from_string(checkpoint)
  os.remove(path)
  for _, loaded in ipairs {from_file, from_string} do
    equal(loaded:step_count(0), 1)
    equal(loaded:lr(0), 0.05)
    check.same_bits(loaded:state(0, "exp_avg"), opt:state(0, "exp_avg"))
  end
  from_file:set_lr(0, 0.3)
  from_file:load_from_string(checkpoint, {hyperparameters = false})
  equal(from_file:lr(0), 0.3)
end)

test("shards are loaded into a whole", function()
  local paths, half = {file(".0"), file(".1")}, N / 2
  for i, path in ipairs(paths) do
    local shard = optimizer(half, (i - 1) * half, N)
    shard:step()
    shard:save(path)
  end
  local whole, expected = optimizer(N), optimizer(N)
  whole:load_shards(paths)
  for _, path in ipairs(paths) do os.remove(path) end
  expected:step()
  check.same_bits(whole:state(0, "exp_avg_sq"), expected:state(0, "exp_avg_sq"))
end)

test("progress is reported, and false cancels", function()
  local opt, path, calls, last = optimizer(1000000), file(".progress"), 0, 0
  opt:save(path, {progress = function(done, total)
    calls = calls + 1
    equal(done > last and done <= total, true)
    last = done
  end})
  equal(calls > 4, true)
  fails("RADAM_ERROR_IO", "cancel", opt.save, opt, path, {progress = function() return false end})
  calls = 0
  opt:load(path, {progress = function() calls = calls + 1 end})
  os.remove(path)
  equal(calls > 4, true)
end)

test("an error in the progress function cancels, and is raised as it is", function()
  local opt, path = optimizer(1000000), file(".error")
  local ok, failure = pcall(opt.save, opt, path, {progress = function() error({mine = true}) end})
  equal(ok, false)
  equal(failure.mine, true)
  equal(io.open(path), nil)
  equal(opt:step_count(0), 0)
end)

test("callbacks are given back, of which LuaJIT has about a thousand", function()
  local opt = optimizer(1)
  local checkpoint = opt:save_to_string()
  for _ = 1, 3000 do opt:load_from_string(checkpoint, {progress = function() end}) end
end)

test("what does not fit is refused, and nothing changes", function()
  local opt, checkpoint = optimizer(3), optimizer(4):save_to_string()
  fails("RADAM_ERROR_MISMATCH", "weight", opt.load_from_string, opt, checkpoint)
  fails("RADAM_ERROR_CORRUPT", "", opt.load_from_string, opt, checkpoint:sub(1, -2))
  fails("RADAM_ERROR_IO", "nowhere", opt.load, opt, "/nowhere/at/all")
  fails("RADAM_ERROR_INVALID_ARGUMENT", "it must be a string", opt.load_from_string, opt, 3)
  fails("RADAM_ERROR_INVALID_ARGUMENT", "stict is not an option here", opt.load, opt, "x", {stict = true})
  fails("RADAM_ERROR_INVALID_ARGUMENT", "without NUL", opt.save, opt, "a\0b")
  fails("RADAM_ERROR_INVALID_ARGUMENT", "paths[1] is 3", opt.load_shards, opt, {3})
  fails("RADAM_ERROR_INVALID_ARGUMENT", "paths is a.radam; it must be a list", opt.load_shards, opt, "a.radam")
  equal(opt:step_count(0), 0)
end)
