-- A test is a function with a name; run calls all of them and exits with 1 if any failed. SPDX: MIT OR Apache-2.0
local ffi = require "ffi"

local check = {tests = {}}

function check.test(name, test) check.tests[#check.tests + 1] = {name, test} end

function check.equal(actual, expected)
  if actual ~= expected then error(("%s, but expected %s"):format(tostring(actual), tostring(expected)), 2) end
end

function check.near(actual, expected, tolerance)
  if not (math.abs(actual - expected) <= tolerance) then
    error(("%.17g, but expected %.17g"):format(actual, expected), 2)
  end
end

function check.same_bits(one, other)
  local bytes = ffi.sizeof(one)
  if bytes ~= ffi.sizeof(other) or ffi.string(one, bytes) ~= ffi.string(other, bytes) then error("other bits", 2) end
end

-- The call must fail with this status, and with a message that has this text and, apart from quotes, no names of C.
function check.fails(status, message, call, ...)
  local ok, failure = pcall(call, ...)
  if ok then error("succeeded, but should fail with " .. message, 2) end
  if type(failure) ~= "table" or failure.status ~= status or not failure.message:find(message, 1, true) then
    error(("%s, but expected %s: %s"):format(tostring(failure), status, message), 2)
  end
  local words = failure.message:gsub('"[^"]*"', "")
  for _, of_c in ipairs {"radam_", "RADAM_", "NULL", "->", "first_param", "%f[%a]opt%f[^%a.:]"} do
    if words:find(of_c) then error(of_c .. " is in: " .. failure.message, 2) end
  end
end

function check.run()
  local failed = 0
  for _, each in ipairs(check.tests) do
    local ok, trace = xpcall(each[2], function(failure) return debug.traceback(tostring(failure), 2) end)
    print((ok and "ok      " or "FAILED  ") .. each[1])
    if not ok then print(trace) failed = failed + 1 end
  end
  print(("%d tests, %d failed"):format(#check.tests, failed))
  os.exit(failed == 0 and 0 or 1)
end

return check
