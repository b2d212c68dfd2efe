-- The arrays that parameters and gradients are in: FFI arrays, whose address does not change while something refers to
-- them, and views of memory that something else owns.
-- SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local native = require((...):gsub("tensor$", "native"))

local tensor = {}

-- What LuaJIT calls a type: a char may be signed or not.
local function type_name(of) return tostring(ffi.typeof(of)):match("^ctype<(.*)>$") end

-- f16 and bf16 have no type in C; their bits are in uint16_t. The library's master_remainder is int16_t, and its 8-bit
-- state int8_t, uint8_t and uint32_t.
local ELEMENTS = {f32 = "float", f64 = "double", f16 = "unsigned short", bf16 = "unsigned short", i16 = "short",
  i8 = type_name "int8_t", u8 = type_name "uint8_t", u32 = type_name "uint32_t"}
local DTYPES = {float = "f32", double = "f64"}
local SIZES = {}
for _, element in pairs(ELEMENTS) do SIZES[element] = ffi.sizeof(element) end

local View = {}
View.__index = View

-- `len` elements at a pointer, such as float *. What owns the memory stays alive as long as the view does.
function tensor.view(pointer, len, owner)
  local element = type(pointer) == "cdata" and tostring(ffi.typeof(pointer)):match("^ctype<(.*) %*>$")
  if not SIZES[element] then
    native.refuse("pointer is %s; it must be a float *, double *, uint16_t * or another of integers", tostring(pointer))
  end
  native.whole(len, "len", 2 ^ 53)
  return setmetatable({pointer = pointer, element = element, len = len, owner = owner}, View)
end

local array_elements = {} -- by the number of the array's C type

-- The C name of the elements of an FFI array, or nothing if it is something else.
local function element_of(array)
  local type_ = ffi.typeof(array)
  local number = tonumber(type_)
  if array_elements[number] == nil then
    local element = tostring(type_):match("^ctype<([%w ]+) %[[%d?]+%]>$")
    array_elements[number] = SIZES[element] and element or false
  end
  return array_elements[number]
end

-- The pointer to pass to C, the C name of the elements and their number. `name` is for errors.
function tensor.describe(array, name)
  if getmetatable(array) == View then return array.pointer, array.element, array.len end
  local element = type(array) == "cdata" and element_of(array)
  if not element then
    local what = type(array) == "cdata" and tostring(ffi.typeof(array)) or type(array)
    native.refuse('%s is a %s; it must be an array such as ffi.new("float[?]", len), of float, double or uint16_t '
      .. "(f16 and bf16), or radam.view(pointer, len, owner)", name, what)
  end
  return array, element, ffi.sizeof(array) / SIZES[element]
end

-- The pointer to an array that must have this dtype and length.
function tensor.pointer(array, name, dtype, len)
  local pointer, element, actual = tensor.describe(array, name)
  if element ~= ELEMENTS[dtype] then
    native.refuse("%s has elements of type %s; those of %s are %s", name, element, dtype, ELEMENTS[dtype])
  end
  if actual ~= len then native.refuse("%s has %d elements; it must have %d", name, actual, len) end
  return pointer
end

-- The dtype of an array, where its type tells.
function tensor.dtype(array, name)
  local _, element = tensor.describe(array, name)
  return DTYPES[element]
    or native.refuse('%s has elements of type %s; name their dtype, "f16" or "bf16"', name, element)
end

-- A new array with a copy of `len` elements at an address.
function tensor.copy(address, dtype, len)
  local array = ffi.new(ELEMENTS[dtype] .. "[?]", len)
  ffi.copy(array, address, ffi.sizeof(array))
  return array
end

-- What the arrays of 8-bit state are made of.
local CODES = {exp_avg = "i8", exp_avg_sq = "u8"}

-- The elements of an array of a state of this dtype, and their number for a parameter that has `len`.
function tensor.of_state(which, dtype, len)
  if which == "state_scale" then return "u32", math.ceil(len / 128) end
  if which == "master_remainder" then return "i16", len end
  return dtype == "q8" and CODES[which] or dtype, len
end

-- The C name of the elements of a dtype.
function tensor.element(dtype) return ELEMENTS[dtype] end

function tensor.size(dtype) return SIZES[ELEMENTS[dtype]] end

return tensor
