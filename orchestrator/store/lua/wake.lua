-- wake: what a task waited for by the clock is over (a delay, or the pause before its next attempt); hand it out.
--
-- KEYS  1 timers      zset     what is due later
-- ARGV  1 prefix      string   key prefix of the partition
--       2 task_id     string
--       3 nonce       string   random, never used before; makes the token
-- Returns  one of
--          AGAIN      dispatched, attempt + 1, new token; or looked at, when no worker does it
--          REMOVED    the task does not wait for it any more; only the timer was removed
--          NOT_DUE    not yet, or there is no such timer; nothing was done
-- Repeat   NOT_DUE
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, dispatch
local timers = KEYS[1]
local prefix, task_id, nonce = ARGV[1], ARGV[2], ARGV[3]
local timer = 'start:' .. task_id

check(#nonce > 0, 'nonce')
local at_ms = now_ms()
local due = tonumber(redis.call('ZSCORE', timers, timer) or '')
if not due or due > at_ms then return 'NOT_DUE' end
local task = read_task(prefix .. 'task:' .. task_id)
local scenario = prefix .. 'scenario:' .. (task.scenario_id or '')
local cancelled = redis.call('HEXISTS', scenario, 'cancel') == 1 and not rules_of(task).finally
if task.status ~= 'pending' or (task.token or '') ~= '' or cancelled then
  redis.call('ZREM', timers, timer)
  return 'REMOVED'
end
task.id = task_id
plan_dispatch(prefix, task)

redis.call('ZREM', timers, timer)
dispatch(timers, task, nonce .. '.1', iso(at_ms), at_ms)
return 'AGAIN'
