-- Draws the pond. SPDX: MIT OR Apache-2.0
local graphics = love.graphics

local scene = {}

local function draw_food(food, time)
  local pulse = 1 + 0.15 * math.sin(3 * time + food.x)
  graphics.setColor(0.45, 0.95, 0.4, 0.12)
  graphics.circle("fill", food.x, food.y, 9 * pulse)
  graphics.setColor(0.55, 1, 0.45)
  graphics.circle("fill", food.x, food.y, 3.5 * pulse)
end

local function draw_jelly(jelly, time)
  local beat = math.sin(4 * time + jelly.phase)
  graphics.setColor(1, 0.35, 0.55, 0.12)
  graphics.circle("fill", jelly.x, jelly.y, 22 + beat)
  graphics.setColor(1, 0.4, 0.6, 0.75)
  graphics.arc("fill", jelly.x, jelly.y, 11 + beat, math.pi, 2 * math.pi)
  for leg = -2, 2 do
    local x = jelly.x + leg * 4.5
    graphics.line(x, jelly.y, x + 2 * math.sin(5 * time + leg), jelly.y + 7, x - leg, jelly.y + 13 - math.abs(leg))
  end
end

-- The places where it was, in segments that fade. Those across an edge of the pond are left out.
local function draw_trail(fish, red, green, blue)
  for i = 1, #fish.trail - 1 do
    local from, to = fish.trail[i], fish.trail[i + 1]
    if math.abs(from[1] - to[1]) + math.abs(from[2] - to[2]) < 50 then
      graphics.setColor(red, green, blue, 0.4 * (1 - i / #fish.trail))
      graphics.line(from[1], from[2], to[1], to[2])
    end
  end
end

-- Green for a moment when it has eaten, red when it was stung.
local function draw_fish(fish, time)
  local good, bad = math.max(fish.glow, 0), math.max(-fish.glow, 0)
  local red, green, blue = 1, 0.78 + 0.2 * good - 0.5 * bad, 0.35 - 0.1 * bad
  draw_trail(fish, red, green, blue)
  graphics.push()
  graphics.translate(fish.x, fish.y)
  graphics.rotate(fish.heading)
  graphics.setColor(red, green, blue)
  graphics.ellipse("fill", 0, 0, 9, 4.5)
  local wag = 3 * math.sin(14 * time + fish.x * 0.05)
  graphics.polygon("fill", -7, 0, -14, -5 + wag, -14, 5 + wag)
  graphics.setColor(0.05, 0.1, 0.2)
  graphics.circle("fill", 5, -1.5, 1.3)
  graphics.pop()
  if fish.glow > 0.05 then
    graphics.setColor(0.6, 1, 0.5, fish.glow * 0.5)
    graphics.circle("line", fish.x, fish.y, 10 + 14 * (1 - fish.glow))
  end
end

function scene.draw(pond, time)
  graphics.setScissor(0, 0, pond.width, pond.height)
  for band = 0, 13 do
    local depth = band / 13
    graphics.setColor(0.03, 0.16 - 0.08 * depth, 0.28 - 0.12 * depth)
    graphics.rectangle("fill", 0, band * 40, pond.width, 40)
  end
  graphics.setLineWidth(1.5)
  for _, food in ipairs(pond.food) do draw_food(food, time) end
  for _, jelly in ipairs(pond.jellies) do draw_jelly(jelly, time) end
  for _, fish in ipairs(pond.fish) do draw_fish(fish, time) end
  graphics.setScissor()
end

return scene
