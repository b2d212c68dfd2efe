-- Trains a network with one hidden layer on images of handwritten digits. From the folder of radam.lua:
--
--     luajit examples/train_digits.lua ../../examples/data/digits.csv
--
-- SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local radam = require "radam"

local PIXELS, HIDDEN, DIGITS, TEST = 64, 32, 10, 359
local BATCH, EPOCHS, LR = 32, 15, 0.01

math.randomseed(1)

local function read(path)
  local images = {}
  for line in assert(io.lines(path)) do
    local image, column = {pixels = ffi.new("float[?]", PIXELS)}, 0
    for number in line:gmatch("%d+") do
      if column < PIXELS then image.pixels[column] = number / 16 else image.digit = tonumber(number) end
      column = column + 1
    end
    images[#images + 1] = image
  end
  return images
end

-- A dense layer: of each row of weights, the last one is the bias.
local Layer = {}
Layer.__index = Layer

function Layer.new(inputs, outputs)
  local len = outputs * (inputs + 1)
  local layer = {inputs = inputs, outputs = outputs, weight = ffi.new("float[?]", len), grad = ffi.new("float[?]", len),
    output = ffi.new("float[?]", outputs), input_grad = ffi.new("float[?]", inputs)}
  local limit = math.sqrt(6 / inputs) -- He initialization
  for i = 0, len - 1 do layer.weight[i] = limit * (2 * math.random() - 1) end
  return setmetatable(layer, Layer)
end

function Layer:forward(input)
  local weight, inputs = self.weight, self.inputs
  for o = 0, self.outputs - 1 do
    local row = o * (inputs + 1)
    local sum = weight[row + inputs]
    for i = 0, inputs - 1 do sum = sum + weight[row + i] * input[i] end
    self.output[o] = sum
  end
  return self.output
end

-- Adds to the gradient of the weights, and returns that of the input.
function Layer:backward(input, output_grad)
  local weight, grad, input_grad, inputs = self.weight, self.grad, self.input_grad, self.inputs
  ffi.fill(input_grad, ffi.sizeof(input_grad))
  for o = 0, self.outputs - 1 do
    local row, g = o * (inputs + 1), output_grad[o]
    for i = 0, inputs - 1 do
      grad[row + i] = grad[row + i] + g * input[i]
      input_grad[i] = input_grad[i] + g * weight[row + i]
    end
    grad[row + inputs] = grad[row + inputs] + g
  end
  return input_grad
end

local first, second = Layer.new(PIXELS, HIDDEN), Layer.new(HIDDEN, DIGITS)
local scores_grad = ffi.new("float[?]", DIGITS)

local function scores(image)
  local hidden = first:forward(image.pixels)
  for i = 0, HIDDEN - 1 do hidden[i] = math.max(hidden[i], 0) end
  return second:forward(hidden), hidden
end

-- Adds to the gradients of the mean loss of a batch, and returns the loss of this image.
local function backward(image)
  local output, hidden = scores(image)
  local sum, highest = 0, -math.huge
  for o = 0, DIGITS - 1 do highest = math.max(highest, output[o]) end
  for o = 0, DIGITS - 1 do sum = sum + math.exp(output[o] - highest) end
  for o = 0, DIGITS - 1 do
    scores_grad[o] = (math.exp(output[o] - highest) / sum - (o == image.digit and 1 or 0)) / BATCH
  end
  local hidden_grad = second:backward(hidden, scores_grad)
  for i = 0, HIDDEN - 1 do if hidden[i] == 0 then hidden_grad[i] = 0 end end
  first:backward(image.pixels, hidden_grad)
  return math.log(sum) + highest - output[image.digit]
end

local function shuffle(list)
  for last = #list, 2, -1 do
    local other = math.random(last)
    list[last], list[other] = list[other], list[last]
  end
end

local function is_right(image)
  local output, best = scores(image), 0
  for o = 1, DIGITS - 1 do if output[o] > output[best] then best = o end end
  return best == image.digit
end

local images = read(assert(arg[1], "usage: luajit examples/train_digits.lua digits.csv"))
shuffle(images)
local test = {}
for i = 1, TEST do test[i] = table.remove(images) end

local opt = radam.new()
local group = opt:add_group {lr = LR, weight_decay = 0.1, decouple_wd = true, params = {
  {data = first.weight, grad = first.grad, name = "first.weight"},
  {data = second.weight, grad = second.grad, name = "second.weight"},
}}
for epoch = 1, EPOCHS do
  opt:set_lr(group, LR * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS)))
  shuffle(images)
  local loss = 0
  for i = 1, #images - BATCH + 1, BATCH do
    for j = i, i + BATCH - 1 do loss = loss + backward(images[j]) end
    opt:step {max_grad_norm = 1, zero_grad = true}
  end
  print(("epoch %2d  loss %.4f"):format(epoch, loss / #images))
end

local right = 0
for _, image in ipairs(test) do if is_right(image) then right = right + 1 end end
print(("test accuracy %.2f %%"):format(100 * right / TEST))
