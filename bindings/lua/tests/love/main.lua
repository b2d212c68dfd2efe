-- The binding in a folder of a game, with memory that LÖVE owns. SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local radam = require "lib.radam"

local LEN = 1000

function love.errorhandler(message) io.stderr:write(debug.traceback(tostring(message)), "\n") end

-- No variable refers to the ByteData when it returns; only the optimizer does, through the views.
local function optimizer()
  local function floats()
    local data = love.data.newByteData(4 * LEN)
    ffi.fill(data:getFFIPointer(), 4 * LEN, 0)
    return radam.view(ffi.cast("float *", data:getFFIPointer()), LEN, data)
  end
  local opt = radam.new {num_threads = 2, parallel_from = 1}
  opt:add_group {lr = 0.1, params = {{data = floats(), grad = floats(), name = "weight"}}}
  return opt
end

function love.load(arguments)
  radam.load(arguments[1])
  local opt = optimizer()
  local param = opt:param(0)
  for _ = 1, 20 do
    param.grad.pointer[LEN - 1] = 1
    opt:step {zero_grad = true}
    collectgarbage()
  end
  assert(param.grad.pointer[LEN - 1] == 0)
  assert(param.data.pointer[LEN - 1] < -0.5 and param.data.pointer[0] == 0)

  assert(love.filesystem.write("brain.radam", opt:save_to_string()))
  local loaded = optimizer()
  local checkpoint = love.filesystem.read("brain.radam") -- the second result is its size
  loaded:load_from_string(checkpoint)
  assert(loaded:step_count(0) == 20)
  print("ok in LÖVE")
  love.event.quit()
end
