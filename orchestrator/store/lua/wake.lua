-- wake: the delay before a task's next attempt is over; hand it out.
--
-- KEYS  1 timers      zset     what is due later
-- ARGV  1 prefix      string   key prefix of the partition
--       2 task_id     string
--       3 nonce       string   random, never used before; makes the token
-- Returns  one of
--          AGAIN      dispatched, attempt + 1, new token
--          REMOVED    the task does not wait for it any more; only the timer was removed
--          NOT_DUE    not yet, or there is no such timer; nothing was done
-- Repeat   NOT_DUE
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock, iso, dispatch
local timers = KEYS[1]
local prefix, task_id, nonce = ARGV[1], ARGV[2], ARGV[3]
local timer = 'retry:' .. task_id

check(#nonce > 0, 'nonce')
local at_ms = now_ms()
local due = tonumber(redis.call('ZSCORE', timers, timer) or '')
if not due or due > at_ms then return 'NOT_DUE' end
local task = read_task(prefix .. 'task:' .. task_id)
local scenario = prefix .. 'scenario:' .. (task.scenario_id or '')
if task.status ~= 'pending' or task.token ~= '' or redis.call('HEXISTS', scenario, 'cancel') == 1 then
  redis.call('ZREM', timers, timer)
  return 'REMOVED'
end
local queue, attempt = prefix .. 'queue:' .. task.service, task.attempt + 1
redis.call('XLEN', queue)

task.id = task_id
local token = attempt .. '.' .. nonce .. '.1'
local entry = dispatch(queue, task, attempt, token)
redis.call('HSET', task.key, 'attempt', attempt, 'token', token, 'entry', entry, 'updated_at', iso(at_ms))
redis.call('ZREM', timers, timer)
return 'AGAIN'
