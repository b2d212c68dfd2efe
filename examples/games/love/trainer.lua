-- Trains the brain while the game runs. Time goes in windows of a fixed number of frames. In each window,
--
--   * the fish act by a copy of the weights, and the gradients of what they learn from it add up in one of two buffers;
--   * the optimizer's step on the other buffer, from the window before, is done in slices, within a budget per frame.
--
-- At the end of a window the step is complete, the copy is renewed and the buffers are swapped. Only in which frame a
-- chunk of the step is done depends on time, so the weights are the same however fast or slow the machine is.
-- SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local radam = require "radam"
local Brain = require "brain"

local Trainer = {}
Trainer.__index = Trainer

local FRAMES_PER_DECISION = 3
-- step_for does at least one chunk, so a step of at most this many chunks is always complete in time.
Trainer.FRAMES = 12
local DISCOUNT = 0.93
local LR, MAX_GRAD_NORM = 5e-3, 5

-- `budget` is that of the step in each frame, in seconds; clock() is the time in seconds.
function Trainer.new(pond, budget, clock)
  local trainer = setmetatable({pond = pond, budget = budget, clock = clock, weights = Brain.initial_weights(),
    acting = Brain.tensors(), collecting = Brain.tensors(), stepping = Brain.tensors(), moments = {}, frame = 0,
    steps_begun = 0, chunks = 0, chunks_left = 0, slice = 0, slices = {}}, Trainer)
  for i = 1, #pond.fish do trainer.moments[i] = {before = Brain.moment(), now = Brain.moment()} end
  local params = {}
  for i, name in ipairs(Brain.NAMES) do
    params[i] = {name = name, data = trainer.weights[i], grad = trainer.stepping[i]}
  end
  trainer.opt = radam.new {num_threads = 1}
  trainer.group = trainer.opt:add_group {lr = LR, weight_decay = 0.01, decouple_wd = true, params = params}
  trainer.opt:reset_state() -- touches the memory now, and not in the first slice
  trainer.report = trainer.opt:group_report(trainer.group)
  trainer:renew_copy()
  return trainer
end

function Trainer:renew_copy()
  for i, copy in ipairs(self.acting) do ffi.copy(copy, self.weights[i], ffi.sizeof(copy)) end
end

-- Each fish looks, thinks and turns, and learns from what came of its turn before.
function Trainer:decide()
  local scale = 1 / (#self.pond.fish * Trainer.FRAMES / FRAMES_PER_DECISION)
  for i, fish in ipairs(self.pond.fish) do
    local moments = self.moments[i]
    local before, now = moments.before, moments.now
    Brain.look(now, self.pond, fish)
    Brain.think(now, self.acting)
    if self.frame > 0 then
      before.target = fish.reward + DISCOUNT * now.value
      Brain.learn(before, self.acting, self.collecting, scale)
    end
    fish.reward = 0
    fish.turn = Brain.decide(now)
    moments.before, moments.now = now, before
  end
end

-- Works on the open step for the budget of this frame.
function Trainer:work()
  local start = self.clock()
  self.chunks_left = self.opt:step_for(self.budget)
  self.slice = self.clock() - start
  self.slices[#self.slices + 1] = self.slice
end

-- At the end of a window.
function Trainer:swap()
  if self.steps_begun > 0 then
    assert(self.chunks_left == 0, "the step has more chunks than the window has frames")
    self.opt:end_step()
    self:renew_copy()
  end
  self.collecting, self.stepping = self.stepping, self.collecting
  self.opt:set_tensors(0, nil, self.stepping)
  self.report = self.opt:group_report(self.group)
  -- The gradients are zeroed on the way, and so ready for collecting.
  self.opt:begin_step {max_grad_norm = MAX_GRAD_NORM, zero_grad = true}
  self.steps_begun = self.steps_begun + 1
  self.chunks_left = self.opt:step_for(0)
  self.chunks = self.chunks_left
end

function Trainer:update()
  if self.frame % FRAMES_PER_DECISION == 0 then self:decide() end
  self.frame = self.frame + 1
  self.slice = 0
  if self.chunks_left > 0 then self:work() end
  if self.frame % Trainer.FRAMES == 0 then self:swap() end
end

-- A number that differs if any bit of the weights does.
function Trainer:fingerprint()
  local hash = 0
  for i, weights in ipairs(self.weights) do
    local words = ffi.cast("const int32_t *", weights)
    for w = 0, ffi.sizeof(weights) / 4 - 1 do
      hash = bit.bxor(bit.rol(hash, 5), words[w]) + i
    end
  end
  return bit.tohex(hash)
end

return Trainer
