-- resume_scenario: hand out again what a paused scenario holds, a chunk of tasks a call. A timer lets the engine go on when
-- the caller dies.
--
-- KEYS  1 scenario     hash     scenario:<id>
--       2 timers       zset     what is due later
--       3 held         zset     held:<scenario>
-- ARGV  1 prefix       string   key prefix of the partition
--       2 scenario_id  string
--       3 begin        integer  1: end the pause; 0: go on, unless it was paused again
--       4 nonce        string   random, never used before; makes the tokens
--       5 limit        integer  tasks a call
-- Returns  one of
--          DONE       it holds nothing any more
--          MORE       call again
--          PAUSED     it was paused again; only the timer was removed
--          UNKNOWN    there is no such scenario; only the timer was removed
-- Repeat   goes on, then DONE.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, dispatch
local scenario, timers, held = KEYS[1], KEYS[2], KEYS[3]
local prefix, scenario_id, begin, nonce, limit = ARGV[1], ARGV[2], whole(ARGV[3], 'begin'), ARGV[4], item_count(ARGV[5])
local timer, place = 'resume:' .. scenario_id, 'held:' .. scenario_id
local left, moves = {}, {}

check(limit > 0 and #nonce > 0, 'numbers')
redis.call('ZCARD', timers)
local waiting = redis.call('ZCARD', held)
local paused = redis.call('HGET', scenario, 'paused')
local found = counts_of(prefix, scenario_id)
if not found or paused and begin == 0 then
  redis.call('ZREM', timers, timer)
  return found and 'PAUSED' or 'UNKNOWN'
end
found.paused = nil
for _, id in ipairs(redis.call('ZRANGE', held, 0, limit - 1)) do
  local task = read_task(prefix .. 'task:' .. id)
  left[#left + 1] = id
  if task.status == 'pending' and task.flow_places == place then
    task.id = id
    plan_dispatch(prefix, task)
    moves[#moves + 1] = task
  end
end
local at_ms = now_ms()
local now = iso(at_ms)

redis.call('HDEL', scenario, 'paused', 'pause_at')
redis.call('ZREM', timers, 'pause:' .. scenario_id)
if paused then redis.call('HSET', scenario, 'updated_at', now) end
if #left > 0 then redis.call('ZREM', held, unpack(left)) end
for k, task in ipairs(moves) do dispatch(timers, task, nonce .. '.' .. k, now, at_ms) end
if waiting > #left then
  redis.call('ZADD', timers, at_ms + 1000, timer)
  return 'MORE'
end
redis.call('ZREM', timers, timer)
return 'DONE'
