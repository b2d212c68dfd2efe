-- Loading the module and the library. SPDX: MIT OR Apache-2.0
local radam = require "radam"
local check = require "check"
local test, equal = check.test, check.equal

-- Loads the module anew, with another cdef, and calls radam.load(path).
local function load_anew(change, path)
  local saved = {}
  for name, module in pairs(package.loaded) do
    if name:find("^radam") then
      saved[name], package.loaded[name] = module, nil
    end
  end
  local cdef = require "radam.cdef"
  if change then change(cdef) end
  local results = {pcall(function()
    local module = require "radam"
    module.load(path)
    return module.new()
  end)}
  for name in pairs(package.loaded) do if name:find("^radam") then package.loaded[name] = nil end end
  for name, module in pairs(saved) do package.loaded[name] = module end
  return unpack(results)
end

local function fails(message, ...)
  local ok, failure = load_anew(...)
  equal(ok, false)
  if not failure:find(message, 1, true) then error(failure .. ", but expected " .. message) end
end

test("the module can be loaded anew in one Lua state", function()
  local ok, opt = load_anew()
  equal(ok and opt:add_group {lr = 1}, 0)
end)

test("the version is that of the library", function()
  equal(radam.version(), require("radam.cdef").version)
  fails("but this binding is for 0.3.0", function(cdef) cdef.version, cdef.version_number = "0.3.0", 3000 end)
end)

test("a struct of another layout is refused", function()
  fails("radam_step_report has another layout", function(cdef) cdef.structs.radam_step_report.size = 56 end)
  fails("radam_param has another layout", function(cdef) cdef.structs.radam_param[5][3] = 24 end)
end)

test("a library that is not there is named, and how to say where it is", function()
  fails("/nowhere/libradam.so", nil, "/nowhere/libradam.so")
  fails("RADAM_LIBRARY", nil, "/nowhere/libradam.so")
end)
