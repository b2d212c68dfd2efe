-- Tests of the binding: luajit tests/run.lua, from the folder of radam.lua. SPDX: MIT OR Apache-2.0
package.path = "./?.lua;./tests/?.lua;" .. package.path
for _, part in ipairs {"training", "arrays", "misuse", "surgery", "q8", "checkpoints", "loading"} do
  require("test_" .. part)
end
require("check").run()
