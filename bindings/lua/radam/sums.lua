-- Sums over many gradients, by which steps clip and skip: radam_grad_sums.
-- SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local native = require((...):gsub("sums$", "native"))
local tensor = require((...):gsub("sums$", "tensor"))

local Sums = {}
Sums.__index = Sums

local sums = {}

-- The sum of nothing.
function sums.new()
  return setmetatable({struct = native.new_struct("radam_grad_sums")}, Sums)
end

-- Adds the gradient of one tensor. `dtype` is needed only for arrays of 16-bit elements.
function Sums:add_tensor(grad, dtype)
  dtype = dtype or tensor.dtype(grad, "grad")
  local number = native.dtype(dtype, "dtype")
  local _, _, len = tensor.describe(grad, "grad")
  local pointer = tensor.pointer(grad, "grad", dtype, len)
  native.check(native.C.radam_measure_tensor(number, pointer, len, self.struct))
end

-- The 72 words, int64_t, that processes add up: a copy, since a reference would not keep the sums alive.
function Sums:words()
  local words = ffi.new("int64_t[72]")
  ffi.copy(words, self.struct.words, ffi.sizeof(words))
  return words
end

-- Adds what other sums are of, given them or their 72 words.
function Sums:add(other)
  local words = getmetatable(other) == Sums and other.struct.words or other
  if words == other and not ffi.istype("int64_t[72]", other) then
    native.refuse("other is %s; it must be sums or their words", tostring(other))
  end
  for i = 0, 71 do self.struct.words[i] = self.struct.words[i] + words[i] end
end

-- The L2 norm of the gradients, and the number of their elements that are infinite or NaN.
function Sums:value()
  local norm, nonfinite = ffi.new("double[1]"), ffi.new("uint64_t[1]")
  native.check(native.C.radam_grad_sums_value(self.struct, norm, nonfinite))
  return norm[0], tonumber(nonfinite[0])
end

function sums.struct(object, name)
  if getmetatable(object) ~= Sums then
    native.refuse("%s is %s; it must come from radam.grad_sums()", name, tostring(object))
  end
  return object.struct
end

return sums
