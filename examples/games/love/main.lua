-- Fish that learn to hunt while the game runs. README.md says how to play, and what is in the other files.
--
--     love examples/games/love [--seed N] [--budget MILLISECONDS] [--speed N] [--frames N [--screenshot FILE]]
--
-- SPDX: MIT OR Apache-2.0

-- radam.lua and its folder are beside this file, or still in the clone of radam that this folder belongs to.
package.path = love.filesystem.getSource() .. "/../../../bindings/lua/?.lua;" .. package.path

local Pond, Trainer = require "pond", require "trainer"
local Panel, scene = require "panel", require "scene"

local POND_WIDTH = 760
local options = {seed = os.time(), budget = 0.03, speed = 0, frames = math.huge}
local pond, trainer, panel
local due = 0 -- frames of the game

function love.load(arguments)
  for i = 1, #arguments, 2 do
    local name, value = arguments[i]:match("^%-%-(%a+)$"), arguments[i + 1]
    if name == "screenshot" then options.screenshot = value
    elseif options[name] and tonumber(value) then options[name] = tonumber(value)
    else
      io.stderr:write("unknown argument ", arguments[i], "; main.lua lists them\n")
      os.exit(2)
    end
  end
  -- LÖVE would show an error until a key is pressed, and nobody is there to do it.
  if options.frames < math.huge then
    love.errorhandler = function(message) io.stderr:write(debug.traceback(tostring(message)), "\n") end
  end
  math.randomseed(options.seed)
  pond = Pond.new(POND_WIDTH, love.graphics.getHeight())
  trainer = Trainer.new(pond, options.budget / 1000, love.timer.getTime)
  panel = Panel.new(POND_WIDTH, love.graphics.getWidth() - POND_WIDTH, love.graphics.getHeight())
end

-- A frame of the game is 1/60 s. With --speed, each frame on the screen is so many of them, however long it took.
function love.update(dt)
  local hurry = love.keyboard.isDown("space") and 8 or 1
  due = options.speed > 0 and options.speed or math.min(due + 60 * dt * hurry, 16)
  while due >= 1 and trainer.frame < options.frames do
    due = due - 1
    pond:update()
    trainer:update()
    panel:record(pond, trainer)
  end
end

local function median(values)
  local sorted = {unpack(values)}
  table.sort(sorted)
  return sorted[math.ceil(#sorted / 2)]
end

-- What the test reads.
local function print_results()
  local function mean(first, last, which)
    local sum = 0
    for i = first, last do sum = sum + panel.points[i][which] end
    return sum / (last - first + 1)
  end
  local count, tenth = #panel.points, math.ceil(#panel.points / 10)
  print(("eaten %.2f at first, %.2f at last"):format(mean(1, tenth, 1), mean(count - tenth + 1, count, 1)))
  print(("stung %.2f at first, %.2f at last"):format(mean(1, tenth, 2), mean(count - tenth + 1, count, 2)))
  print(("steps %d, chunks %d, slices %d"):format(trainer.steps_begun, trainer.chunks, #trainer.slices))
  local over = 0
  for _, slice in ipairs(trainer.slices) do if slice > trainer.budget then over = over + 1 end end
  local slice, budget = 1000 * median(trainer.slices), 1000 * trainer.budget
  print(("median slice %.4f ms, budget %.4f ms, over it %d"):format(slice, budget, over))
  print("weights " .. trainer:fingerprint())
end

local function finish(screenshot)
  if screenshot then
    local file = assert(io.open(options.screenshot, "wb"))
    file:write(screenshot:encode("png"):getString())
    file:close()
  end
  print_results()
  love.event.quit()
end

function love.draw()
  scene.draw(pond, trainer.frame / 60)
  panel:draw(trainer, options.speed == 0)
  if trainer.frame >= options.frames then
    if options.screenshot then love.graphics.captureScreenshot(finish) else finish() end
  end
end

function love.keypressed(key)
  if key == "escape" then love.event.quit() end
end
