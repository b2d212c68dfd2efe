-- Saving and loading the state of an optimizer: methods of radam.Optimizer.
-- SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local native = require((...):gsub("checkpoint$", "native"))

local methods = {}

-- Calls `call(struct)` with options in a struct of this name. A progress function is a C callback for that long. Errors
-- must not cross C: one in the progress function cancels the call, and is raised after it.
local function with_options(name, options, call)
  local struct = native.new_struct(name)
  native.set_fields(name, struct, options or {}, {progress = true})
  local progress = options and options.progress
  if not progress then return call(struct) end
  local failed, failure
  local callback = ffi.cast(struct.progress, function(done, total)
    local ok, answer = pcall(progress, tonumber(done), tonumber(total))
    if ok then return answer == false and 1 or 0 end
    failed, failure = true, answer
    return 1
  end)
  struct.progress = callback
  local ok, raised = pcall(call, struct)
  callback:free()
  if failed then error(failure, 0) end
  if not ok then error(raised, 0) end
end

-- LuaJIT cannot call back from a C function that compiled code has called.
local function not_compiled(call)
  jit.off(call)
  return call
end

-- options.progress(bytes_done, bytes_total) cancels by returning false.
function methods:save(path, options)
  native.string(path, "path")
  with_options("radam_save_options", options, not_compiled(function(struct)
    native.check(native.C.radam_save_with(self.handle, path, struct), self.handle)
  end))
end

-- options: strict, hyperparameters, convert_state, progress.
function methods:load(path, options)
  native.string(path, "path")
  with_options("radam_load_options", options, not_compiled(function(struct)
    native.check(native.C.radam_load_with(self.handle, path, struct), self.handle)
  end))
end

-- Loads what several processes saved of their shards.
function methods:load_shards(paths, options)
  local array = ffi.new("const char *[?]", #native.list(paths, "paths"))
  for i, path in ipairs(paths) do array[i - 1] = native.string(path, "paths[" .. i .. "]") end
  with_options("radam_load_options", options, not_compiled(function(struct)
    native.check(native.C.radam_load_shards(self.handle, array, #paths, struct), self.handle)
  end))
end

-- The checkpoint as a string, for love.filesystem.write and the like.
function methods:save_to_string()
  local C, size = native.C, ffi.new("uint64_t[1]")
  native.check(C.radam_save_to_buffer(self.handle, nil, 0, size), self.handle)
  local buffer = ffi.new("uint8_t[?]", size[0])
  native.check(C.radam_save_to_buffer(self.handle, buffer, size[0], size), self.handle)
  return ffi.string(buffer, size[0])
end

function methods:load_from_string(checkpoint, options)
  if type(checkpoint) ~= "string" then
    native.refuse("checkpoint is a %s; it must be a string", type(checkpoint))
  end
  with_options("radam_load_options", options, not_compiled(function(struct)
    native.check(native.C.radam_load_from_buffer(self.handle, checkpoint, #checkpoint, struct), self.handle)
  end))
end

return methods
