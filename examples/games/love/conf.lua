function love.conf(t)
  t.identity = "radam-pond"
  t.version = "11.4"
  t.window.title = "radam: fish that learn to hunt"
  t.window.width, t.window.height = 1060, 560
  t.window.msaa = 4
  for _, unused in ipairs {"audio", "joystick", "physics", "sound", "thread", "touch", "video"} do
    t.modules[unused] = false
  end
end
