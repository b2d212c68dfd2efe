-- A game without a window, so that it runs without a screen.
function love.conf(t)
  t.identity = "radam-tests"
  for _, unused in ipairs {"audio", "graphics", "joystick", "physics", "sound", "touch", "video", "window"} do
    t.modules[unused] = false
  end
end
