-- Rectified Adam for LuaJIT and LÖVE, with the shared library radam.
--
-- Arrays are FFI arrays. An optimizer refers to those that are registered with it, so they live as long as it does.
-- What fails raises an error with the fields status ("RADAM_ERROR_BUSY", ...) and message; tostring gives both.
-- README.md beside this file has an overview, radam.h what each call does. SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local here = ...
local native = require(here .. ".native")
local tensor = require(here .. ".tensor")
local sums = require(here .. ".sums")
local check, id = native.check, native.id

local radam = {load = native.load, view = tensor.view, grad_sums = sums.new}

-- The methods of an optimizer.
local Optimizer = {}
Optimizer.__index = Optimizer

-- What calls write their results to.
local u32, u64, f64 = ffi.typeof "uint32_t[1]", ffi.typeof "uint64_t[1]", ffi.typeof "double[1]"

function radam.version() return ffi.string(native.C.radam_version_string()) end

-- options: num_threads, parallel_from.
function radam.new(options)
  local C, struct, out = native.C, native.new_struct("radam_options"), ffi.new("radam_optimizer *[1]")
  native.set_fields("radam_options", struct, options or {})
  check(C.radam_create(struct, out))
  -- The finalizer refers to C, since the library must stay loaded until it has run.
  local handle = ffi.gc(out[0], function(freed) C.radam_free(freed) end)
  -- arrays has, for each parameter, the arrays registered with it, and their dtypes and length.
  return setmetatable({handle = handle, arrays = {}, params_added = 0}, Optimizer)
end

-- Frees the optimizer now, and not only when it is collected as garbage.
function Optimizer:free()
  local handle = self.handle and ffi.gc(self.handle, nil)
  self.handle, self.arrays = nil, {}
  check(native.C.radam_free(handle))
end

local PARAM_KEYS = {data = true, grad = true, name = true, copy = true, exp_avg = true, exp_avg_sq = true,
  kahan_comp = true, state_scale = true}

-- The dtypes of exp_avg and exp_avg_sq, and of kahan_comp. Small tensors have no 8-bit state.
local function state_dtypes(group, param, tensor_len)
  local state = group.state_dtype or param.dtype
  local kahan = state
  if state == "q8" then
    local is_small = (tensor_len > 0 and tensor_len or param.len) < 4096
    state, kahan = is_small and "f32" or "q8", is_small and "f32" or param.dtype
  end
  return state, group.master_remainder == true and "i16" or kahan
end

-- What is remembered of a parameter, of which the first arrays and dtypes come from its options. `named` says what a
-- field is called in errors.
local function describe(options, named)
  local data, len, dtype = options.data, options.len, options.dtype
  for _, field in ipairs {"dtype", "len"} do
    if not (data or options[field]) then
      native.refuse("%s is missing; it can be left out only if there is data", named(field))
    end
  end
  dtype = dtype or tensor.dtype(data, named "data")
  len = len or select(3, tensor.describe(data, named "data"))
  return {dtype = dtype, grad_dtype = options.grad_dtype or dtype, len = native.whole(len, named "len", 2 ^ 53),
    name = options.name}
end

-- Where gradients have another dtype than their parameter by mistake, they would train it all the same.
local function check_grad(options, param, named)
  local _, element = tensor.describe(options.grad, named "grad")
  if not options.grad_dtype and element ~= tensor.element(param.dtype) then
    native.refuse("%s has elements of type %s, and the parameter is %s; if that is meant, name grad_dtype too",
      named "grad", element, param.dtype)
  end
end

-- Fills a radam_param of a group with the options of one of a list, and returns what is remembered of it.
local function fill_param(struct, list, index, group)
  local options = list[index]
  local function named(field) return native.field_of(list, index, field) end
  if type(options) ~= "table" then
    local what = #list == 1 and "param" or ("params[%d]"):format(index)
    native.refuse("%s is %s; it must be a table such as {data = array, grad = array}", what, tostring(options or nil))
  end
  local param = describe(options, named)
  check(native.C.radam_param_init(struct, ffi.sizeof("radam_param")))
  native.set_fields("radam_param", struct, options, PARAM_KEYS)
  struct.dtype = native.dtype(param.dtype, named "dtype")
  struct.grad_dtype = native.dtype(param.grad_dtype, named "grad_dtype")
  struct.len = param.len
  if options.name then struct.name = native.string(options.name, named "name") end
  if options.grad then check_grad(options, param, named) end
  local state, kahan = state_dtypes(group, param, tonumber(struct.tensor_len))
  local dtypes = {data = param.dtype, grad = param.grad_dtype, copy = options.copy_dtype or "bf16",
    exp_avg = state, exp_avg_sq = state, kahan_comp = kahan, state_scale = state}
  for key, dtype in pairs(dtypes) do
    if options[key] then
      struct[key] = tensor.pointer(options[key], named(key), tensor.of_state(key, dtype, param.len))
      param[key] = options[key]
    end
  end
  return param
end

-- The structs of a list of parameters, and what is remembered of them.
local function fill_params(list, group)
  local structs, params = ffi.new("radam_param[?]", #native.list(list, "params")), {}
  for i = 1, #list do params[i] = fill_param(structs[i - 1], list, i, group) end
  return structs, params
end

local function remember(self, first, params)
  for i, param in ipairs(params) do self.arrays[first + i - 1] = param end
  self.params_added = first + #params
end

-- Adds a group of parameters with common options, and returns its id. options.params is a list of parameters, as for
-- add_param; all are added, or nothing.
function Optimizer:add_group(options)
  local struct, group = native.new_struct("radam_group_options"), u32()
  native.set_fields("radam_group_options", struct, options, {params = true})
  local list = options.params or {}
  local structs, params = fill_params(list, options)
  check(native.C.radam_add_param_group(self.handle, struct, structs, #params, group), self.handle, list)
  remember(self, self.params_added, params)
  return group[0]
end

-- Adds a list of parameters to a group: all of them or nothing. Returns the id of the first one.
function Optimizer:add_params(group, list)
  local structs, params = fill_params(list, self:group_options(group))
  local first = u32()
  check(native.C.radam_add_params(self.handle, group, structs, #params, first), self.handle, list)
  remember(self, first[0], params)
  return first[0]
end

-- Adds a parameter to a group, and returns its id. param: data and grad (arrays), name; dtype and len where there is no
-- data, and for "f16" and "bf16"; grad_dtype where it is another one; the other fields of radam_param.
function Optimizer:add_param(group, param) return self:add_params(group, {param or false}) end

-- The id of a parameter by its name.
function Optimizer:param_id(name)
  local param = u32()
  check(native.C.radam_param_id(self.handle, native.string(name, "name"), param), self.handle)
  return param[0]
end

-- What is registered of a parameter: group, name, dtype, grad_dtype, len, its arrays.
function Optimizer:param(param)
  local C, struct, group = native.C, native.new_struct("radam_param"), u32()
  check(C.radam_get_param(self.handle, id(param, "param"), group, struct), self.handle)
  local description = native.to_table("radam_param", struct)
  for key, value in pairs(self.arrays[param]) do description[key] = value end
  description.group = group[0]
  description.name = native.text(function(...) return C.radam_param_name(self.handle, param, ...) end)
  return description
end

-- The pointer to an array that is to be one of the arrays of a parameter. An unknown id is for the library to refuse.
local function param_pointer(self, param, array, key)
  if not array then return nil end
  local known = self.arrays[id(param, "param")]
  if not known then return tensor.describe(array, key), nil end
  local owner = known.name and ('"%s"'):format(known.name) or ("parameter %d"):format(param)
  local dtype = key == "data" and known.dtype or known.grad_dtype
  return tensor.pointer(array, ("%s of %s"):format(key, owner), dtype, known.len)
end

-- Registers another array of elements, or none (nil).
function Optimizer:set_data(param, array)
  local pointer = param_pointer(self, param, array, "data")
  check(native.C.radam_set_data(self.handle, id(param, "param"), pointer), self.handle)
  self.arrays[param].data = array
end

-- Registers another gradient, or none (nil): steps then skip the parameter.
function Optimizer:set_grad(param, array)
  local pointer = param_pointer(self, param, array, "grad")
  check(native.C.radam_set_grad(self.handle, id(param, "param"), pointer), self.handle)
  self.arrays[param].grad = array
end

local function pointers(self, first, arrays, key)
  if not arrays then return nil end
  local found = ffi.new("void *[?]", #arrays)
  for i = 1, #arrays do found[i - 1] = param_pointer(self, first + i - 1, arrays[i], key) end
  return found
end

-- Registers the arrays of many parameters at once, from the id `first` on: all or none, for example to swap buffers.
-- data and grads are lists, with false for no array; nil leaves what is registered as it is.
function Optimizer:set_tensors(first, data, grads)
  local count = #native.list(data or grads, "grads")
  if data and grads and #data ~= #grads then native.refuse("data has %d arrays, but grads %d", #data, #grads) end
  id(first, "first")
  local data_pointers, grad_pointers = pointers(self, first, data, "data"), pointers(self, first, grads, "grad")
  check(native.C.radam_set_tensors(self.handle, first, count, data_pointers, grad_pointers), self.handle)
  for i = 1, count do
    local registered = self.arrays[first + i - 1]
    if data then registered.data = data[i] or nil end
    if grads then registered.grad = grads[i] or nil end
  end
end

-- Options of a group, of which many are set seldom, and two often.

function Optimizer:group_options(group)
  local struct = native.new_struct("radam_group_options")
  check(native.C.radam_get_group_options(self.handle, id(group, "group"), struct), self.handle)
  return native.to_table("radam_group_options", struct)
end

-- Changes the options that are in the table, all or none.
function Optimizer:set_group_options(group, changes)
  local C, struct = native.C, native.new_struct("radam_group_options")
  check(C.radam_get_group_options(self.handle, id(group, "group"), struct), self.handle)
  native.set_fields("radam_group_options", struct, changes)
  check(C.radam_set_group_options(self.handle, group, struct), self.handle)
end

function Optimizer:set_lr(group, lr)
  check(native.C.radam_set_lr(self.handle, id(group, "group"), native.number(lr, "lr")), self.handle)
end

function Optimizer:lr(group)
  local lr = f64()
  check(native.C.radam_get_lr(self.handle, id(group, "group"), lr), self.handle)
  return lr[0]
end

function Optimizer:set_weight_decay(group, weight_decay)
  native.number(weight_decay, "weight_decay")
  check(native.C.radam_set_weight_decay(self.handle, id(group, "group"), weight_decay), self.handle)
end

function Optimizer:weight_decay(group)
  local weight_decay = f64()
  check(native.C.radam_get_weight_decay(self.handle, id(group, "group"), weight_decay), self.handle)
  return weight_decay[0]
end

-- The scalars of the group's next step: rho, r, effective_lr, ...
function Optimizer:group_report(group)
  local struct = native.new_struct("radam_group_report")
  check(native.C.radam_get_group_report(self.handle, id(group, "group"), struct), self.handle)
  return native.to_table("radam_group_report", struct)
end

-- What is set up legally but known to fail in training: sentences, one a line, or nil.
function Optimizer:advice()
  self:accumulation() -- refuses an optimizer that has been freed, of which radam_advice says nothing
  local advice = native.text(function(...) return native.C.radam_advice(self.handle, ...) end)
  return advice ~= "" and advice or nil
end

for _, part in ipairs {"stepping", "surgery", "checkpoint"} do
  for name, method in pairs(require(here .. "." .. part)) do Optimizer[name] = method end
end

return radam
