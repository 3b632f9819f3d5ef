-- resume_scenario: hand out again what a paused scenario holds, a chunk of tasks a call, and let the scenarios within it go
-- on that were paused with it: the engine resumes each of them. A timer lets the engine go on when the caller dies.
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
--          ABOVE      the scenario that it is a part of is paused, so it stays paused, now by that
--          UNKNOWN    there is no such scenario; only the timer was removed
-- Repeat   goes on, then DONE.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, dispatch, within, task_ids
local scenario, timers, held = KEYS[1], KEYS[2], KEYS[3]
local prefix, scenario_id, begin, nonce, limit = ARGV[1], ARGV[2], whole(ARGV[3], 'begin'), ARGV[4], item_count(ARGV[5])
local timer, place = 'resume:' .. scenario_id, 'held:' .. scenario_id
local left, moves, below = {}, {}, {}

check(limit > 0 and #nonce > 0, 'numbers')
redis.call('ZCARD', timers)
local waiting = redis.call('ZCARD', held)
local state = redis.call('HMGET', scenario, 'paused', 'parent', 'within', 'resume_at')
local paused, position = state[1], nil
local found = counts_of(prefix, scenario_id)

-- The scenario that this one is a part of, with its pause, when it is paused and still waits for this one.
local function above()
  local v = state[2] and redis.call('HMGET', prefix .. 'task:' .. state[2], 'scenario_id', 'status', 'child_scenario_id') or {}
  if v[2] ~= 'processing' and v[2] ~= 'pending' or v[3] ~= scenario_id then return nil end
  local upper = counts_of(prefix, v[1])
  return upper and not upper.cancel and upper.paused and v[1], upper and upper.paused
end

if not found or paused and begin == 0 then
  redis.call('ZREM', timers, timer)
  return found and 'PAUSED' or 'UNKNOWN'
end
local upper, their_pause = above()
if paused and upper then
  redis.call('HSET', scenario, 'paused', handed_down(upper, their_pause))
  redis.call('HSET', prefix .. 'scenario:' .. upper, 'within', 1)
  return 'ABOVE'
end
found.paused = nil
if state[3] then
  local some, next_position, at_end = ids_from(scenario, tonumber(state[4] or 1), limit)
  position = not at_end and next_position
  for _, id in ipairs(some) do
    local child = redis.call('HGET', prefix .. 'task:' .. id, 'child_scenario_id')
    local pause = child and child ~= '' and redis.call('HGET', prefix .. 'scenario:' .. child, 'paused')
    if is_handed_down(pause) then below[#below + 1] = child end
  end
end
for _, id in ipairs(redis.call('ZRANGE', held, 0, limit - 1)) do
  local task = read_task(prefix .. 'task:' .. id)
  left[#left + 1] = id
  local doomed = found.cancel and not rules_of(task).finally  -- cancel.lua has not come to it yet
  if task.status == 'pending' and task.flow_places == place and not doomed then
    task.id, task.since = id, since_of(task)
    plan_dispatch(prefix, task)
    moves[#moves + 1] = task
  end
end
local at_ms = now_ms()
local now = iso(at_ms)

redis.call('HDEL', scenario, 'paused', 'pause_at')
for _, id in ipairs(below) do
  redis.call('HDEL', prefix .. 'scenario:' .. id, 'paused', 'pause_at')
  redis.call('HSET', prefix .. 'scenario:' .. id, 'updated_at', now)
  redis.call('ZREM', timers, 'pause:' .. id)
  redis.call('ZADD', timers, at_ms, 'resume:' .. id)
end
if position then
  redis.call('HSET', scenario, 'resume_at', position)
else
  redis.call('HDEL', scenario, 'within', 'resume_at')
end
redis.call('ZREM', timers, 'pause:' .. scenario_id)
if paused then redis.call('HSET', scenario, 'updated_at', now) end
if #left > 0 then redis.call('ZREM', held, unpack(left)) end
for k, task in ipairs(moves) do dispatch(timers, task, nonce .. '.' .. k, now, at_ms) end
if waiting > #left or position then
  redis.call('ZADD', timers, at_ms + 1000, timer)
  return 'MORE'
end
redis.call('ZREM', timers, timer)
return 'DONE'
