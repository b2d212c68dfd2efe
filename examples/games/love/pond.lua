-- The pond: fish that eat algae and are stung by jellyfish. It wraps around at its edges. No drawing and no learning.
-- SPDX: MIT OR Apache-2.0
local Pond = {}
Pond.__index = Pond

local TAU = 2 * math.pi
local DT = 1 / 60
local FISH, FOOD, JELLIES = 40, 30, 16
local SPEED, TURN = 130, 4.5 -- pixels and radians per second
local EAT, STING = 14, 17 -- distances in pixels
local TRAIL = 14

function Pond.new(width, height)
  local pond = {width = width, height = height, fish = {}, food = {}, jellies = {}, eaten = 0, stung = 0}
  setmetatable(pond, Pond)
  for i = 1, FISH do pond.fish[i] = {reward = 0, trail = {}, glow = 0, turn = 0} end
  for i = 1, FOOD do pond.food[i] = {} end
  for i = 1, JELLIES do pond.jellies[i] = {heading = TAU * math.random(), phase = TAU * math.random()} end
  for _, things in ipairs {pond.fish, pond.food, pond.jellies} do
    for _, thing in ipairs(things) do pond:place(thing) end
  end
  for _, fish in ipairs(pond.fish) do fish.heading = TAU * math.random() end
  return pond
end

-- Puts something at a random place, away from jellyfish.
function Pond:place(thing)
  repeat
    thing.x, thing.y = self.width * math.random(), self.height * math.random()
    local free = true
    for _, jelly in ipairs(self.jellies) do
      if jelly ~= thing and jelly.x then
        local dx, dy = self:between(thing, jelly)
        free = free and dx * dx + dy * dy > 60 * 60
      end
    end
  until free
end

-- The shortest way from one thing to another, around the edges if that is shorter.
function Pond:between(from, to)
  local dx, dy, width, height = to.x - from.x, to.y - from.y, self.width, self.height
  if dx > width / 2 then dx = dx - width elseif dx < -width / 2 then dx = dx + width end
  if dy > height / 2 then dy = dy - height elseif dy < -height / 2 then dy = dy + height end
  return dx, dy
end

function Pond:move(thing, speed)
  thing.x = (thing.x + math.cos(thing.heading) * speed * DT) % self.width
  thing.y = (thing.y + math.sin(thing.heading) * speed * DT) % self.height
end

function Pond:is_near(fish, thing, distance)
  local dx, dy = self:between(fish, thing)
  return dx * dx + dy * dy < distance * distance
end

-- What a fish eats and what stings it is its reward, which adds up until its brain has read it.
function Pond:feed(fish)
  for _, food in ipairs(self.food) do
    if self:is_near(fish, food, EAT) then
      self.eaten, fish.reward, fish.glow = self.eaten + 1, fish.reward + 1, 1
      self:place(food)
    end
  end
  for _, jelly in ipairs(self.jellies) do
    if self:is_near(fish, jelly, STING) then
      self.stung, fish.reward, fish.glow, fish.trail = self.stung + 1, fish.reward - 1, -1, {}
      self:place(fish)
    end
  end
end

-- One frame of 1/60 s. fish.turn is -1, 0 or 1.
function Pond:update()
  for _, jelly in ipairs(self.jellies) do
    jelly.heading = jelly.heading + 0.6 * math.sin(jelly.phase) * DT
    jelly.phase = jelly.phase + 2.5 * DT
    self:move(jelly, 22)
  end
  for _, fish in ipairs(self.fish) do
    fish.heading = (fish.heading + fish.turn * TURN * DT) % TAU
    table.insert(fish.trail, 1, {fish.x, fish.y})
    fish.trail[TRAIL] = nil
    self:move(fish, SPEED)
    fish.glow = fish.glow * 0.94
    self:feed(fish)
  end
end

return Pond
