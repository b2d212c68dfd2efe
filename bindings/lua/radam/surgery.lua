-- The state of parameters, and what can be done to them while training: methods of radam.Optimizer.
-- SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local cdef = require((...):gsub("surgery$", "cdef"))
local native = require((...):gsub("surgery$", "native"))
local tensor = require((...):gsub("surgery$", "tensor"))
local id = native.id

local methods = {}

function methods:step_count(param)
  local steps = ffi.new("uint64_t[1]")
  native.check(native.C.radam_step_count(self.handle, id(param, "param"), steps), self.handle)
  return tonumber(steps[0])
end

function methods:set_step_count(param, steps)
  native.whole(steps, "steps", 2 ^ 53)
  native.check(native.C.radam_set_step_count(self.handle, id(param, "param"), steps), self.handle)
end

-- Steps skip a frozen parameter.
function methods:set_frozen(param, frozen)
  local toggle = native.toggle(frozen, "frozen")
  native.check(native.C.radam_set_frozen(self.handle, id(param, "param"), toggle), self.handle)
end

function methods:frozen(param)
  local frozen = ffi.new("radam_toggle[1]")
  native.check(native.C.radam_get_frozen(self.handle, id(param, "param"), frozen), self.handle)
  return frozen[0] == 1
end

-- Its arrays and name can be used again; the ids of other parameters stay.
function methods:remove_param(param)
  native.check(native.C.radam_remove_param(self.handle, id(param, "param")), self.handle)
  self.arrays[param] = nil
end

-- Back to the state before the first step, of one parameter or (nil) of all.
function methods:reset_state(param)
  native.check(native.C.radam_reset_state(self.handle, id(param or 0xffffffff, "param")), self.handle)
end

-- The address, dtype and length of an array of a parameter's state, or nothing if it has none.
local function locate(self, param, which)
  if not cdef.states[which] then
    native.refuse('which is %s; it must be "exp_avg", "exp_avg_sq", "kahan_comp", "master_remainder" or "state_scale"',
      tostring(which))
  end
  local address, dtype = ffi.new("void *[1]"), ffi.new("radam_dtype[1]")
  local status = native.C.radam_param_state(self.handle, id(param, "param"), cdef.states[which], address, dtype)
  native.check(status, self.handle)
  if address[0] == nil then return nil end
  return address[0], tensor.of_state(which, native.dtype_name(dtype[0]), self.arrays[param].len)
end

-- A copy of an array of the state, and its dtype; nil if the parameter has no such array. Integers are "i16"
-- (master_remainder) and, with 8-bit state, "i8" (exp_avg), "u8" (exp_avg_sq) and "u32" (state_scale).
function methods:state(param, which)
  local address, dtype, len = locate(self, param, which)
  if address then return tensor.copy(address, dtype, len), dtype end
end

-- Copies an array of the same dtype into the state, between steps.
function methods:set_state(param, which, array)
  local address, dtype, len = locate(self, param, which)
  if not address then native.refuse("parameter %d has no %s", param, which) end
  ffi.copy(address, tensor.pointer(array, "array", dtype, len), len * tensor.size(dtype))
end

return methods
