-- begin_purge: from now on nothing can bring a finished scenario back whose retention ended, so what lies outside of Redis
-- may go; then `purge` removes it. The timer moves on: it brings the scenario back if that does not come about.
--
-- KEYS  1 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 scenario_id  string
--       3 hold_ms      integer  until the timer is due again, milliseconds; twice as long every time, up to a day
--       4 wait_ms      integer  the same while another scenario needs this one
-- Returns  one of
--          BEGUN      remove its artifacts, then call `purge`
--          NEEDED     a scenario that runs a part of it anew refers to its artifacts, or the task that it is the work of
--          REMOVED    there is no such scenario; the timer was removed
--          NOT_DUE    its retention has not ended, or it is not finished; nothing was done
-- Repeat   NOT_DUE
-- Cost     O(reruns)
-- Flags    allow-oom
-- Uses     check, clock
local timers = KEYS[1]
local prefix, scenario_id, hold_ms, wait_ms = ARGV[1], ARGV[2], whole(ARGV[3], 'hold_ms'), whole(ARGV[4], 'wait_ms')
local scenario, timer = prefix .. 'scenario:' .. scenario_id, 'purge:' .. scenario_id
local DAY_MS = 86400000

local at_ms = now_ms()
local due = tonumber(redis.call('ZSCORE', timers, timer) or '')
if not due or due > at_ms then return 'NOT_DUE' end
local state = redis.call('HMGET', scenario, 'status', 'purged', 'purge_tries', 'reruns', 'parent')
if state[1] == 'pending' or state[1] == 'processing' then return 'NOT_DUE' end

-- By the task that it is the work of, which has its results, until that is gone too; or by a rerun.
local function is_needed()
  if state[5] and redis.call('HGET', prefix .. 'task:' .. state[5], 'child_scenario_id') == scenario_id then return true end
  for id in string.gmatch(state[4] or '', '%S+') do
    if redis.call('HEXISTS', prefix .. 'scenario:' .. id, 'status') == 1 then return true end
  end
  return false
end

local tries = tonumber(state[3] or 0)
local needed = state[1] and not state[2] and is_needed()

if not state[1] then
  redis.call('ZREM', timers, timer)
  return 'REMOVED'
end
if needed then
  redis.call('ZADD', timers, at_ms + wait_ms, timer)
  return 'NEEDED'
end
redis.call('HSETNX', scenario, 'purged', 1)
redis.call('HSET', scenario, 'purge_tries', tries + 1)
redis.call('ZADD', timers, at_ms + math.min(hold_ms * 2 ^ math.min(tries, 20), DAY_MS), timer)
return 'BEGUN'
