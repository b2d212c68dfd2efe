-- One small network for all fish, in plain Lua on FFI arrays: from what a fish sees to the chances of its turns and the
-- reward that it may expect. It learns by policy gradient (advantage actor-critic); forward and backward by hand.
-- SPDX: MIT OR Apache-2.0
local ffi = require "ffi"

local Brain = {}
Brain.__index = Brain

local TAU = 2 * math.pi
-- A fish sees things of two kinds around it, in sectors and rings. A thing between two sectors and between two rings is
-- seen in all four cells, in each the more the nearer it is.
local KINDS, SECTORS, RINGS, SIGHT = 2, 16, 8, 170
local CELLS = KINDS * SECTORS * RINGS
local HIDDEN = 512
local TURNS, OUTPUTS = 3, 4 -- left, ahead, right; the expected reward
local MOST_SEEN = 4 * 46 -- cells of all things that are in the pond
local ENTROPY, VALUE = 0.003, 0.5 -- weights in the loss

-- The tensors, all f32: for each cell a row of HIDDEN weights; a row for each output.
local SHAPES = {
  {name = "see.weight", len = CELLS * HIDDEN},
  {name = "see.bias", len = HIDDEN},
  {name = "turn.weight", len = OUTPUTS * HIDDEN},
  {name = "turn.bias", len = OUTPUTS},
}

Brain.NAMES = {}
for i, shape in ipairs(SHAPES) do Brain.NAMES[i] = shape.name end

-- New arrays, one for each tensor.
function Brain.tensors()
  local tensors = {}
  for i, shape in ipairs(SHAPES) do tensors[i] = ffi.new("float[?]", shape.len) end
  return tensors
end

function Brain.initial_weights()
  local tensors = Brain.tensors()
  for i = 0, CELLS * HIDDEN - 1 do tensors[1][i] = 0.3 * (2 * math.random() - 1) end
  for i = 0, OUTPUTS * HIDDEN - 1 do tensors[3][i] = 0.02 * (2 * math.random() - 1) end
  return tensors
end

-- What one fish saw and did at one time, to learn from it later.
function Brain.moment()
  return {seen = 0, cells = ffi.new("int32_t[?]", MOST_SEEN), amounts = ffi.new("float[?]", MOST_SEEN),
    hidden = ffi.new("float[?]", HIDDEN), chances = ffi.new("float[?]", TURNS), value = 0, turn = 0, target = 0}
end

local function see_thing(moment, pond, fish, thing, kind)
  local dx, dy = pond:between(fish, thing)
  local distance = math.sqrt(dx * dx + dy * dy)
  if distance >= SIGHT then return end
  local sector = (math.atan2(dy, dx) - fish.heading) / TAU * SECTORS % SECTORS
  local ring = distance / SIGHT * (RINGS - 1)
  local low_sector, low_ring = math.floor(sector), math.floor(ring)
  for s = 0, 1 do
    for r = 0, 1 do
      local amount = (s == 0 and 1 - (sector - low_sector) or sector - low_sector)
        * (r == 0 and 1 - (ring - low_ring) or ring - low_ring)
      moment.cells[moment.seen] = (kind * SECTORS + (low_sector + s) % SECTORS) * RINGS + low_ring + r
      moment.amounts[moment.seen] = amount
      moment.seen = moment.seen + 1
    end
  end
end

function Brain.look(moment, pond, fish)
  moment.seen = 0
  for _, food in ipairs(pond.food) do see_thing(moment, pond, fish, food, 0) end
  for _, jelly in ipairs(pond.jellies) do see_thing(moment, pond, fish, jelly, 1) end
end

-- From what was seen: the hidden layer, the chances of the turns, and the value.
function Brain.think(moment, weights)
  local see, turn, hidden = weights[1], weights[3], moment.hidden
  ffi.copy(hidden, weights[2], 4 * HIDDEN)
  for k = 0, moment.seen - 1 do
    local row, amount = moment.cells[k] * HIDDEN, moment.amounts[k]
    for h = 0, HIDDEN - 1 do hidden[h] = hidden[h] + amount * see[row + h] end
  end
  for h = 0, HIDDEN - 1 do if hidden[h] < 0 then hidden[h] = 0 end end
  local sum, chances = 0, moment.chances
  for o = 0, OUTPUTS - 1 do
    local output = weights[4][o]
    for h = 0, HIDDEN - 1 do output = output + turn[o * HIDDEN + h] * hidden[h] end
    if o < TURNS then
      chances[o] = math.exp(math.max(-20, math.min(20, output)))
      sum = sum + chances[o]
    else
      moment.value = output
    end
  end
  for o = 0, TURNS - 1 do chances[o] = chances[o] / sum end
end

-- Draws a turn: -1, 0 or 1.
function Brain.decide(moment)
  local draw, turn = math.random(), 0
  while turn < TURNS - 1 and draw >= moment.chances[turn] do
    draw, turn = draw - moment.chances[turn], turn + 1
  end
  moment.turn = turn
  return turn - 1
end

local output_grad, hidden_grad = ffi.new("float[?]", OUTPUTS), ffi.new("float[?]", HIDDEN)

-- The gradient of the loss: -advantage * log(chance of the turn) - ENTROPY * entropy + VALUE / 2 * (value - target)^2.
local function differentiate_loss(moment, scale)
  local advantage, entropy = moment.target - moment.value, 0
  for o = 0, TURNS - 1 do entropy = entropy - moment.chances[o] * math.log(moment.chances[o] + 1e-9) end
  for o = 0, TURNS - 1 do
    local chance = moment.chances[o]
    local of_policy = advantage * (chance - (o == moment.turn and 1 or 0))
    local of_entropy = ENTROPY * chance * (math.log(chance + 1e-9) + entropy)
    output_grad[o] = scale * (of_policy + of_entropy)
  end
  output_grad[TURNS] = scale * VALUE * -advantage
end

-- Adds to the gradients. `scale` is 1 / the number of moments in the batch.
function Brain.learn(moment, weights, grads, scale)
  differentiate_loss(moment, scale)
  local see_grad, bias_grad, turn, turn_grad, hidden = grads[1], grads[2], weights[3], grads[3], moment.hidden
  for h = 0, HIDDEN - 1 do
    local sum = 0
    for o = 0, OUTPUTS - 1 do
      sum = sum + output_grad[o] * turn[o * HIDDEN + h]
      turn_grad[o * HIDDEN + h] = turn_grad[o * HIDDEN + h] + output_grad[o] * hidden[h]
    end
    sum = hidden[h] > 0 and sum or 0
    hidden_grad[h] = sum
    bias_grad[h] = bias_grad[h] + sum
  end
  for o = 0, OUTPUTS - 1 do grads[4][o] = grads[4][o] + output_grad[o] end
  for k = 0, moment.seen - 1 do
    local row, amount = moment.cells[k] * HIDDEN, moment.amounts[k]
    for h = 0, HIDDEN - 1 do see_grad[row + h] = see_grad[row + h] + amount * hidden_grad[h] end
  end
end

return Brain
