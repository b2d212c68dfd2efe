-- Draws what the optimizer does: how well the fish do, the scalars of the step, and its time in each frame.
-- SPDX: MIT OR Apache-2.0
local graphics = love.graphics

local Panel = {}
Panel.__index = Panel

local TEXT, DIM, GREEN, RED, BLUE = {0.9, 0.94, 1}, {0.55, 0.63, 0.75}, {0.55, 1, 0.45}, {1, 0.4, 0.55}, {0.4, 0.75, 1}
local FRAMES_SHOWN, POINT_FRAMES = 120, 180

function Panel.new(x, width, height)
  return setmetatable({x = x, width = width, height = height, points = {}, slices = {}, eaten = 0, stung = 0,
    small = graphics.newFont(12), large = graphics.newFont(17)}, Panel)
end

-- After each frame: keeps its slice, and from time to time what was eaten since.
function Panel:record(pond, trainer)
  table.insert(self.slices, trainer.slice)
  if #self.slices > FRAMES_SHOWN then table.remove(self.slices, 1) end
  if trainer.frame % POINT_FRAMES == 0 then
    local minutes = POINT_FRAMES / 60 / 60
    local rate = function(count) return count / minutes / #pond.fish end
    table.insert(self.points, {rate(pond.eaten - self.eaten), rate(pond.stung - self.stung)})
    self.eaten, self.stung = pond.eaten, pond.stung
  end
end

function Panel:text(text, y, color, font)
  graphics.setFont(font or self.small)
  graphics.setColor(color or TEXT)
  graphics.print(text, self.x + 16, y)
end

function Panel:frame(y, height)
  graphics.setColor(0.08, 0.11, 0.17)
  graphics.rectangle("fill", self.x + 16, y, self.width - 32, height, 4)
end

function Panel:curve(which, highest, y, height, color)
  local line = {}
  for i, point in ipairs(self.points) do
    line[#line + 1] = self.x + 20 + (self.width - 40) * (i - 1) / math.max(#self.points - 1, 1)
    line[#line + 1] = y + height - 4 - (height - 8) * point[which] / highest
  end
  graphics.setColor(color)
  if #line >= 4 then graphics.line(line) end
end

function Panel:scores(y)
  local last = self.points[#self.points] or {0, 0}
  self:text("per fish and minute", y, DIM)
  self:text(("eaten %.1f"):format(last[1]), y + 16, GREEN, self.large)
  graphics.setColor(RED)
  graphics.print(("stung %.1f"):format(last[2]), self.x + 130, y + 16)
  self:frame(y + 44, 140)
  local highest = 1
  for _, point in ipairs(self.points) do highest = math.max(highest, point[1], point[2]) end
  graphics.setLineWidth(2)
  self:curve(1, highest, y + 44, 140, GREEN)
  self:curve(2, highest, y + 44, 140, RED)
end

function Panel:scalars(y, trainer)
  local report = trainer.report
  local rows = {
    {"optimizer step", ("%d"):format(report.step)},
    {"rho", ("%.2f of %.0f"):format(report.rho, report.rho_inf)},
    {"r", ("%.3f%s"):format(report.r, report.rectified and "" or "  (not rectified)")},
    {"effective lr", ("%.6f"):format(report.effective_lr)},
  }
  for i, row in ipairs(rows) do
    self:text(row[1], y + 18 * (i - 1), DIM)
    graphics.setColor(TEXT)
    graphics.print(row[2], self.x + 130, y + 18 * (i - 1))
  end
end

-- A bar for each frame, up to twice the budget, and the budget as a line. Red is far beyond it: most often, the
-- machine did something else meanwhile.
function Panel:times(y, trainer)
  self:text(("step time per frame, budget %.0f µs"):format(1e6 * trainer.budget), y, DIM)
  self:frame(y + 20, 90)
  local width = (self.width - 40) / FRAMES_SHOWN
  for i, slice in ipairs(self.slices) do
    local height = 82 * math.min(slice / (2 * trainer.budget), 1)
    graphics.setColor(slice > 1.5 * trainer.budget and RED or BLUE)
    graphics.rectangle("fill", self.x + 20 + width * (i - 1), y + 106 - height, width, height)
  end
  graphics.setColor(1, 1, 1, 0.5)
  graphics.setLineWidth(1)
  graphics.line(self.x + 16, y + 65, self.x + self.width - 16, y + 65)
  local done = trainer.chunks > 0 and 1 - trainer.chunks_left / trainer.chunks or 0
  self:text(("chunks of this step: %d of %d"):format(done * trainer.chunks, trainer.chunks), y + 116, DIM)
end

function Panel:draw(trainer, in_real_time)
  graphics.setColor(0.04, 0.06, 0.1)
  graphics.rectangle("fill", self.x, 0, self.width, self.height)
  self:text("Fish that learn while you watch", 16, TEXT, self.large)
  self:scores(50)
  self:scalars(252, trainer)
  self:times(340, trainer)
  local rate = in_real_time and ("   %d frames per second"):format(love.timer.getFPS()) or ""
  self:text(("%.0f s of play"):format(trainer.frame / 60) .. rate, 500, DIM)
  self:text("hold space to hurry, escape to leave", 520, DIM)
end

return Panel
