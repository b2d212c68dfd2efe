-- Steps of all kinds, against the formula and against each other. SPDX: MIT OR Apache-2.0
local ffi = require "ffi"
local radam = require "radam"
local check = require "check"
local test = check.test

local N = 40000 -- three chunks

-- An array of values that differ.
local function filled(len, seed)
  local array = ffi.new("float[?]", len)
  for i = 0, len - 1 do array[i] = math.sin(seed + i * 0.37) end
  return array
end

-- Trains two tensors for 8 steps by step(opt, ids, grads, t), and returns them.
local function train(group_options, step)
  local weights, grads, ids = {filled(N, 1), filled(3, 2)}, {ffi.new("float[?]", N), ffi.new("float[3]")}, {}
  local opt = radam.new()
  local group = opt:add_group(group_options)
  for i, weight in ipairs(weights) do
    local grad = not group_options.gradient_release and grads[i] or nil
    ids[i] = opt:add_param(group, {data = weight, grad = grad})
  end
  for t = 1, 8 do
    for i, grad in ipairs(grads) do
      for j = 0, ffi.sizeof(grad) / 4 - 1 do grad[j] = weights[i][j] + math.cos(t * j) end
    end
    step(opt, ids, grads, weights)
  end
  opt:free()
  return weights
end

test("f64 follows the formula of the paper, before and after rectification begins", function()
  local lr, b1, b2, eps, decay = 0.01, 0.9, 0.99, 1e-6, 0.1
  local weight, grad = ffi.new("double[1]", 0.5), ffi.new("double[1]")
  local opt = radam.new {num_threads = 1}
  local params = {{data = weight, grad = grad}}
  local group = opt:add_group {lr = lr, weight_decay = decay, decouple_wd = true, params = params}
  local x, m, v, rectified_steps = 0.5, 0, 0, 0
  for t = 1, 20 do
    grad[0] = math.sin(t)
    local report = opt:group_report(group)
    local rho_inf = 2 / (1 - b2) - 1
    local rho = rho_inf - 2 * t * b2 ^ t / (1 - b2 ^ t)
    check.equal(report.step, t)
    check.near(report.rho, rho, 1e-9)
    check.equal(report.rectified, rho > 5)
    opt:step()
    local b1_hat, b2_hat = (b1 ^ t - b1) / (b1 ^ t - 1), (b2 ^ t - b2) / (b2 ^ t - 1)
    m = b1_hat * m + (1 - b1_hat) * grad[0]
    v = b2_hat * v + (1 - b2_hat) * grad[0] ^ 2
    x = x * (1 - lr * decay)
    if rho > 5 then
      rectified_steps = rectified_steps + 1
      local r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
      check.near(report.r, r, 1e-12)
      check.near(report.effective_lr, lr * r, 1e-12)
      x = x - lr * r * m / (math.sqrt(v) + eps)
    else
      x = x - lr * m
    end
    check.near(weight[0], x, 1e-13)
  end
  check.equal(rectified_steps > 5 and rectified_steps < 20, true)
end)

test("16-bit parameters train, with gradients of another dtype", function()
  -- 1.0 in f16 and in bf16, and bits that are less.
  for dtype, one in pairs {f16 = 0x3c00, bf16 = 0x3f80} do
    local weight, grad = ffi.new("uint16_t[5]"), ffi.new("float[5]")
    for i = 0, 4 do weight[i], grad[i] = one, 1 end
    local opt = radam.new()
    local id = opt:add_param(opt:add_group {lr = 0.1}, {data = weight, dtype = dtype, grad = grad, grad_dtype = "f32"})
    opt:step()
    check.equal(opt:param(id).dtype, dtype)
    check.equal(opt:param(id).grad_dtype, "f32")
    check.equal(weight[4] < one and weight[4] > one / 2, true)
    local kahan, kahan_dtype = opt:state(id, "kahan_comp")
    check.equal(kahan_dtype, dtype)
    check.equal(ffi.sizeof(kahan), 10)
  end
end)

test("a copy in another dtype gets the new values", function()
  local weight, grad, copy = ffi.new("float[2]", 1), ffi.new("float[2]", 0), ffi.new("uint16_t[2]")
  local opt = radam.new()
  opt:add_group {lr = 0.1, params = {{data = weight, grad = grad, copy = copy, copy_dtype = "bf16"}}}
  opt:step()
  check.equal(copy[1], 0x3f80)
end)

test("a step in slices, of any length, has the bits of a whole one", function()
  local options = {max_grad_norm = 0.5, zero_grad = true}
  local whole = train({lr = 0.01}, function(opt) opt:step(options) end)
  local slices = 0
  local for_time = train({lr = 0.01}, function(opt)
    opt:begin_step(options)
    repeat slices = slices + 1 until opt:step_for(1e-9) == 0
    check.near(opt:end_step().clip_coefficient, 0.01, 0.01)
  end)
  local at_once = train({lr = 0.01}, function(opt)
    opt:begin_step(options)
    check.equal(opt:step_for(10), 0)
    opt:end_step()
  end)
  local by_chunk = train({lr = 0.01}, function(opt)
    opt:begin_step(options)
    for chunks in function() local n = opt:wave() return n > 0 and n or nil end do
      for chunk = chunks - 1, 0, -1 do opt:chunk(chunk) end
    end
    check.equal(opt:end_step().params_stepped, 2)
  end)
  check.equal(slices >= 8 * 4, true)
  for i = 1, 2 do
    check.same_bits(for_time[i], whole[i])
    check.same_bits(at_once[i], whole[i])
    check.same_bits(by_chunk[i], whole[i])
  end
end)

test("while a step is open, other calls are busy, and it can be aborted before it changes anything", function()
  train({lr = 0.01}, function(opt, ids, grads, weights)
    local before = ffi.string(weights[1], 4 * N)
    opt:begin_step {max_grad_norm = 1}
    check.fails("RADAM_ERROR_BUSY", "open step", opt.step, opt)
    check.fails("RADAM_ERROR_BUSY", "open step", opt.set_grad, opt, ids[1], nil)
    check.equal(opt:param(ids[1]).grad, grads[1])
    opt:abort_step()
    check.equal(ffi.string(weights[1], 4 * N), before)
    check.fails("RADAM_ERROR_INVALID_STATE", "open", opt.end_step, opt)
  end)
end)

test("arrays passed to a call, other ones in every step, train to the same bits", function()
  local registered = train({lr = 0.01}, function(opt) opt:step() end)
  local passed = train({lr = 0.01, gradient_release = true}, function(opt, ids, grads, weights)
    for i, id in ipairs(ids) do
      local grad = ffi.new("float[?]", ffi.sizeof(grads[i]) / 4)
      ffi.copy(grad, grads[i], ffi.sizeof(grad))
      check.equal(opt:step_tensor(id, weights[i], grad, {report = true}).params_stepped, 1)
    end
    collectgarbage()
  end)
  for i = 1, 2 do check.same_bits(passed[i], registered[i]) end
end)

test("clipping across tensors that are stepped one by one has the bits of clipping in one step", function()
  local together = train({lr = 0.01}, function(opt) opt:step {max_grad_norm = 0.1} end)
  local one_by_one = train({lr = 0.01, gradient_release = true}, function(opt, ids, grads)
    local sums, second = radam.grad_sums(), radam.grad_sums()
    sums:add_tensor(grads[1])
    second:add_tensor(grads[2])
    sums:add(second:words())
    for i, id in ipairs(ids) do opt:step_tensor(id, nil, grads[i], {grad_sums = sums, max_grad_norm = 0.1}) end
  end)
  for i = 1, 2 do check.same_bits(one_by_one[i], together[i]) end
end)

test("sums have the norm, and the number of elements that are not finite", function()
  local sums = radam.grad_sums()
  sums:add_tensor(ffi.new("float[2]", {3, 4}))
  check.equal(sums:value(), 5)
  local opt = radam.new()
  opt:add_group {lr = 1, params = {{data = ffi.new("double[1]"), grad = ffi.new("double[1]", 12)}}}
  opt:measure(sums)
  check.equal(sums:value(), 13)
  sums:add(sums)
  check.near(sums:value(), 13 * math.sqrt(2), 1e-14)
  sums:add_tensor(ffi.new("uint16_t[1]", 0x7f80), "bf16")
  check.equal(select(2, sums:value()), 1)
  sums:add(sums:words())
  check.equal(select(2, sums:value()), 2)
end)

test("a step reports, and skips gradients that are not finite", function()
  local weight, grad = ffi.new("float[2]", {1, 2}), ffi.new("float[2]", {3, 4})
  local opt = radam.new()
  opt:add_group {lr = 0.1, params = {{data = weight, grad = grad}}}
  check.equal(opt:step(), nil)
  local report = opt:step {grad_scale = 0.5, max_grad_norm = 1, report_norms = true, report = true}
  check.equal(report.grad_norm, 2.5)
  check.near(report.clip_coefficient, 0.4, 1e-6)
  check.equal(report.skipped, false)
  check.equal(report.update_norm > 0, true)
  grad[1] = 1 / 0
  local before = ffi.string(weight, 8)
  report = opt:step {skip_nonfinite = true, zero_grad = true, report = true}
  check.equal(report.skipped, true)
  check.equal(report.nonfinite, 1)
  check.equal(ffi.string(weight, 8), before)
  check.equal(grad[0] + grad[1], 0)
end)
