-- The shared library, its errors, and the structs that its calls take, as Lua tables.
-- SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local cdef = require((...):gsub("native$", "cdef"))

-- native.C has the functions. It is loaded at its first use, so that radam.load can say before where it is.
local native = setmetatable({}, {
  __index = function(self, key)
    if key == "C" then return self.load() end
  end,
})

-- What error() raises: status is "RADAM_ERROR_BUSY" or another name, message the library's sentence.
local Error = {}
Error.__index = Error
function Error.__tostring(self) return self.status .. ": " .. self.message end

function native.refuse(format, ...)
  error(setmetatable({status = "RADAM_ERROR_INVALID_ARGUMENT", message = format:format(...)}, Error), 0)
end

-- The text of a C function that copies up to `capacity` bytes, NUL included, and returns how many there are.
function native.text(copy)
  local capacity = 512
  while true do
    local buffer = ffi.new("char[?]", capacity)
    local size = tonumber(copy(buffer, capacity))
    if size <= capacity then return ffi.string(buffer) end
    capacity = size
  end
end

-- What has another name here than in C.
local NAMES = {NULL = "nil", opt = "the optimizer", first_param = "first", radam_step_begin = "begin_step", radam_step_wave = "wave",
  radam_step_chunk = "chunk", radam_step_end = "end_step", radam_step_abort = "abort_step"}

-- A sentence of the library's in the names of this module, apart from what it quotes, which is the caller's.
local function in_lua(sentence)
  local function translate(words, quoted)
    words = words:gsub("[%a_]+", function(word) return NAMES[word] or word:match("^radam_(.*)") end)
    -- Lists begin at 1 here.
    words = words:gsub("%->", "."):gsub("%f[%a]([dg]%a+)%[(%d+)%]", function(list, index) return ("%s[%d]"):format(list, index + 1) end)
    return words .. quoted
  end
  return ((sentence .. '""'):gsub('([^"]*)("[^"]*")', translate):sub(1, -3))
end

-- What a field of a parameter is called in errors: it has a name, or it is one of a list.
function native.field_of(params, index, field)
  local name = type(params[index]) == "table" and params[index].name
  if type(name) == "string" and field ~= "name" then return ('%s of "%s"'):format(field, name) end
  return #params == 1 and field or ("params[%d].%s"):format(index, field)
end

-- Raises what a call with this handle (or nil) returned, unless it is RADAM_OK. params: those that were to be added.
function native.check(status, handle, params)
  if status == 0 then return end
  local C = native.C
  local name = ffi.string(C.radam_status_string(status))
  -- BUSY is only in this thread's message, as is what failed without an optimizer.
  if name == "RADAM_ERROR_BUSY" then handle = nil end
  local message = native.text(function(...) return C.radam_last_error(handle, ...) end)
  if name == "RADAM_ERROR_INVALID_HANDLE" then message = "the optimizer has been freed" end
  message = in_lua(message)
  if params then
    message = message:gsub("params%[(%d+)%]%.([%w_]+)", function(index, field)
      return native.field_of(params, index + 1, field)
    end)
  end
  error(setmetatable({status = name, message = message}, Error), 0)
end

-- Struct mirrors that differ from the library's would read and write the wrong bytes without an error.
local function declare()
  -- A struct can be declared once in a Lua state, but this module may be loaded anew.
  if not pcall(ffi.typeof, "radam_optimizer") then ffi.cdef(cdef.declarations) end
  for name, struct in pairs(cdef.structs) do
    local matches = ffi.sizeof(name) == struct.size
    for _, field in ipairs(struct) do matches = matches and ffi.offsetof(name, field[1]) == field[3] end
    if not matches then error("radam: " .. name .. " has another layout on this machine, which needs 64 bits", 0) end
  end
end

function native.load(path)
  path = path or os.getenv("RADAM_LIBRARY") or "radam"
  declare()
  local loaded, C = pcall(ffi.load, path)
  if not loaded then
    error(("radam: %s; radam.load(path) or the environment variable RADAM_LIBRARY can say where it is, "
      .. "and LD_LIBRARY_PATH in which folder"):format(C), 0)
  end
  local version = C.radam_version()
  if math.floor(version / 1000) ~= math.floor(cdef.version_number / 1000) then
    error(("radam: %s is version %s, but this binding is for %s"):format(path,
      ffi.string(C.radam_version_string()), cdef.version), 0)
  end
  native.C = C
  return C
end

-- A whole number from 0 to `limit`, or an error that names the argument.
function native.whole(value, name, limit)
  if type(value) == "number" and value >= 0 and value <= limit and value % 1 == 0 then return value end
  native.refuse("%s is %s; it must be a whole number from 0 to %.0f", name, tostring(value), limit)
end

function native.id(value, name) return native.whole(value, name, 0xffffffff) end

function native.number(value, name)
  if type(value) ~= "number" then native.refuse("%s is %s; it must be a number", name, tostring(value)) end
  return value
end

function native.toggle(value, name)
  if value == "auto" then return 2 end
  if type(value) ~= "boolean" then
    native.refuse('%s is %s; it must be true, false or "auto"', name, tostring(value))
  end
  return value and 1 or 0
end

function native.dtype(value, name)
  local number = cdef.dtypes[value]
  local is_state = name == "state_dtype"
  if value == "q8" and not is_state then
    native.refuse('%s is q8, which is for state_dtype only; it must be "f32", "f64", "f16" or "bf16"', name)
  elseif not number then
    native.refuse('%s is %s; it must be "f32", "f64", "f16" or "bf16"%s', name, tostring(value),
      is_state and ', or "q8"' or "")
  end
  return number
end

function native.list(value, name)
  if type(value) ~= "table" then native.refuse("%s is %s; it must be a list", name, tostring(value)) end
  return value
end

-- C reads a string up to its first NUL.
function native.string(value, name)
  if type(value) ~= "string" or value:find("%z") then
    native.refuse("%s is %s; it must be a string without NUL", name, tostring(value))
  end
  return value
end

local dtype_names, toggle_names = {}, {[0] = false, [1] = true, [2] = "auto"}
for name, number in pairs(cdef.dtypes) do dtype_names[number] = name end

function native.dtype_name(number) return dtype_names[number] end

-- How a field of each type is set from a value of a table, and what a table has of it.
local setters = {
  radam_toggle = native.toggle,
  radam_dtype = native.dtype,
  double = native.number,
  uint32_t = native.id,
  uint64_t = function(value, name) return native.whole(value, name, 2 ^ 53) end,
}
local getters = {
  radam_toggle = function(value) return toggle_names[value] end,
  radam_dtype = native.dtype_name,
  double = tonumber,
  uint32_t = tonumber,
  uint64_t = tonumber,
  int32_t = function(value) return value ~= 0 end, -- skipped, rectified
}

local settable = {} -- by struct and field
for name, struct in pairs(cdef.structs) do
  settable[name] = {}
  for _, field in ipairs(struct) do
    if field[1] ~= "struct_size" and field[1] ~= "reserved" then settable[name][field[1]] = setters[field[2]] end
  end
end

-- Sets the fields of a struct that a table has. The keys in `others` are the caller's to read.
function native.set_fields(name, struct, values, others)
  if type(values) ~= "table" then
    native.refuse("the options are %s; they must be a table", tostring(values))
  end
  for key, value in pairs(values) do
    local set = settable[name][key]
    if set then
      struct[key] = set(value, key)
    elseif not (others and others[key]) then
      local known = {}
      for each in pairs(settable[name]) do known[#known + 1] = each end
      for each in pairs(others or {}) do known[#known + 1] = each end
      table.sort(known)
      native.refuse("%s is not an option here; these are: %s", tostring(key), table.concat(known, ", "))
    end
  end
end

-- A struct with the library's default values.
function native.new_struct(name)
  local C, struct = native.C, ffi.new(name)
  native.check(C[name .. "_init"](struct, ffi.sizeof(struct)))
  return struct
end

function native.to_table(name, struct)
  local values = {}
  for _, field in ipairs(cdef.structs[name]) do
    local get = getters[field[2]]
    if get and field[1] ~= "struct_size" and field[1] ~= "reserved" then values[field[1]] = get(struct[field[1]]) end
  end
  return values
end

return native
