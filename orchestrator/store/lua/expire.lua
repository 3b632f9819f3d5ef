-- expire: the lease of a task that was worked on over HTTP ran out; hand the task out again.
--
-- KEYS  1 timers      zset     what is due later
--       2 events      stream   task-events
-- ARGV  1 prefix      string   key prefix of the partition
--       2 task_id     string
--       3 max_lost    integer  a task whose workers were lost so often fails, unless its policy says otherwise
--       4 nonce       string   random, never used before; makes the token
-- Returns  one of
--          AGAIN      dispatched again, attempt + 1, new token
--          GAVE_UP    lost too often: reported as failed with cause worker_lost
--          REMOVED    nobody works on it over HTTP any more; only the timer was removed
--          NOT_DUE    the lease still runs, or there is none; nothing was done
-- Repeat   NOT_DUE
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, dispatch, attempts, lost
local timers, events = KEYS[1], KEYS[2]
local prefix, task_id, max_lost, nonce = ARGV[1], ARGV[2], whole(ARGV[3], 'max_lost'), ARGV[4]

check(#nonce > 0, 'nonce')
local at_ms = now_ms()
local due = tonumber(redis.call('ZSCORE', timers, 'lease:' .. task_id) or '')
if not due or due > at_ms then return 'NOT_DUE' end
redis.call('XLEN', events)
local task = read_task(prefix .. 'task:' .. task_id)
if task.status ~= 'processing' or task.worker ~= 'http' then
  redis.call('ZREM', timers, 'lease:' .. task_id)
  return 'REMOVED'
end
local now = iso(at_ms)
task.id = task_id
plan_dispatch(prefix, task)
local found = counts_of(prefix, task.scenario_id)
local lost, gave_up = lost_again(task, max_lost)
if not gave_up then note_attempt(prefix, task, task.worker, lost_error(lost, true)) end

redis.call('ZREM', timers, 'lease:' .. task_id)
if gave_up then
  redis.call('XADD', events, '*', 'task_id', task_id, 'status', 'failed', 'token', task.token, 'acked', '1', 'error',
    lost_error(lost, false))
  return 'GAVE_UP'
end
redis.call('HSET', task.key, 'status', 'pending', 'lost', lost, 'worker', '', 'started_at', '', 'progress', '', 'message', '')
dispatch(timers, task, nonce .. '.1', now, at_ms)
write_attempts(prefix, now)
move_count(found, 'processing', 'pending')
write_counts(prefix, now)
return 'AGAIN'
