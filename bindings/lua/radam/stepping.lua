-- Steps, at once or in slices: methods of radam.Optimizer.
-- SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local native = require((...):gsub("stepping$", "native"))
local sums = require((...):gsub("stepping$", "sums"))
local tensor = require((...):gsub("stepping$", "tensor"))

local methods = {}

local STEP_KEYS = {report = true, grad_sums = true}

-- The structs of a step's options and, if they have report = true, of its report.
local function step_structs(options)
  if not options then return nil, nil end
  local struct = native.new_struct("radam_step_options")
  native.set_fields("radam_step_options", struct, options, STEP_KEYS)
  local report = options.report and native.new_struct("radam_step_report") or nil
  -- Set last: between here and the call, nothing is allocated, and so nothing collected.
  if options.grad_sums then struct.grad_sums = sums.struct(options.grad_sums, "grad_sums") end
  return struct, report
end

local function report_table(report) return report and native.to_table("radam_step_report", report) end

-- Updates every parameter that has a gradient. options: skip_nonfinite, zero_grad, report_norms, grad_scale,
-- max_grad_norm, max_grad_value, grad_sums; with report = true, it returns a table with what happened.
function methods:step(options)
  local struct, report = step_structs(options)
  native.check(native.C.radam_step_with(self.handle, struct, report), self.handle)
  return report_table(report)
end

-- Updates one parameter of a group with gradient_release in these arrays, which may be others in every call. data nil:
-- the registered one.
function methods:step_tensor(param, data, grad, options)
  local known = self.arrays[native.id(param, "param")]
  local data_pointer, grad_pointer
  if known then
    data_pointer = data and tensor.pointer(data, "data", known.dtype, known.len)
    grad_pointer = grad and tensor.pointer(grad, "grad", known.grad_dtype, known.len)
  end
  local struct, report = step_structs(options)
  local status = native.C.radam_step_tensor(self.handle, param, data_pointer, grad_pointer, struct, report)
  native.check(status, self.handle)
  return report_table(report)
end

-- Adds to sums, of radam.grad_sums(), the gradients that a step would use.
function methods:measure(into)
  native.check(native.C.radam_measure(self.handle, sums.struct(into, "into")), self.handle)
end

function methods:zero_grad() native.check(native.C.radam_zero_grad(self.handle), self.handle) end

-- While it is on, steps update the moments, but not the parameters.
function methods:set_accumulation(on)
  native.check(native.C.radam_set_optimizer_accumulation(self.handle, native.toggle(on, "on")), self.handle)
end

function methods:accumulation()
  local on = ffi.new("radam_toggle[1]")
  native.check(native.C.radam_get_optimizer_accumulation(self.handle, on), self.handle)
  return on[0] == 1
end

-- A step in slices: begin_step; step_for in every frame until it returns 0, or wave and chunk; end_step.

function methods:begin_step(options)
  local struct = step_structs(options)
  native.check(native.C.radam_step_begin(self.handle, struct), self.handle)
end

-- Works on the step for so many seconds, and returns the number of chunks that are left.
function methods:step_for(seconds)
  if not (native.number(seconds, "seconds") >= 0) then
    native.refuse("seconds is %s; it must be at least 0", tostring(seconds))
  end
  local left = ffi.new("uint64_t[1]")
  native.check(native.C.radam_step_for(self.handle, math.min(seconds, 1e9) * 1e9, left), self.handle)
  return tonumber(left[0])
end

-- Starts the next wave, and returns the number of its chunks; 0 after the last wave.
function methods:wave()
  local chunks = ffi.new("uint64_t[1]")
  native.check(native.C.radam_step_wave(self.handle, chunks), self.handle)
  return tonumber(chunks[0])
end

-- Steps one chunk of the wave, from 0 to wave() - 1, each once.
function methods:chunk(chunk)
  native.check(native.C.radam_step_chunk(self.handle, native.whole(chunk, "chunk", 2 ^ 53)), self.handle)
end

function methods:end_step()
  local report = native.new_struct("radam_step_report")
  native.check(native.C.radam_step_end(self.handle, report), self.handle)
  return report_table(report)
end

function methods:abort_step() native.check(native.C.radam_step_abort(self.handle), self.handle) end

return methods
