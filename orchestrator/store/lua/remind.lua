-- remind: set a timer by which the engine goes on with something that its caller may not finish, or remove it.
--
-- KEYS  1 timers      zset     what is due later
-- ARGV  1 timer       string   member
--       2 delay_ms    integer  from now, milliseconds
--       3 keep        integer  0 removes it
-- Returns  OK
-- Repeat   nothing changes but the time.
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock
local timers = KEYS[1]
local timer, delay_ms, keep = ARGV[1], whole(ARGV[2], 'delay_ms'), whole(ARGV[3], 'keep')

redis.call('ZCARD', timers)
local at_ms = now_ms()

if keep == 0 then
  redis.call('ZREM', timers, timer)
else
  redis.call('ZADD', timers, at_ms + delay_ms, timer)
end
return 'OK'
