-- clock: the only reading of time in any script. Tests put a virtual clock in its place.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
