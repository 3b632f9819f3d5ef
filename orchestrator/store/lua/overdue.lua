-- overdue: say whether a task has used up one of its times, or when to look again. The engine fails it by `advance`,
-- under the token that is returned, so what happens in between wins.
--
-- KEYS  1 timers      zset     what is due later
-- ARGV  1 prefix      string   key prefix of the partition
--       2 task_id     string
-- Returns  one of
--          TOTAL, token, ms, scenario id      since it became ready
--          QUEUE, token, ms, scenario id      no worker began it
--          RUN, token, ms, scenario id        it runs
--          HEARTBEAT, token, ms, scenario id  without a sign of life
--          LATER                              the timer was moved
--          REMOVED                            it has ended; only the timer was removed
--          NOT_DUE                            not yet, or there is no such timer; nothing was done
-- Repeat   the same answer, or NOT_DUE
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     clock, rules, moment
local timers = KEYS[1]
local prefix, task_id = ARGV[1], ARGV[2]
local timer = 'overdue:' .. task_id

local at_ms = now_ms()
local due = tonumber(redis.call('ZSCORE', timers, timer) or '')
if not due or due > at_ms then return 'NOT_DUE' end
local v = redis.call('HMGET', prefix .. 'task:' .. task_id, 'status', 'token', 'rules', 'ready_ms', 'started_at', 'updated_at',
  'flow_places', 'scenario_id')
local status, token, timeouts = v[1], v[2] or '', rules_of({rules = v[3]}).timeouts
local running = status == 'processing'
if not timeouts or not running and status ~= 'pending' then
  redis.call('ZREM', timers, timer)
  return 'REMOVED'
end

local ends = {{'TOTAL', timeouts.total_ms, tonumber(v[4])}}
if running then
  ends[2] = {'RUN', timeouts.run_ms, ms_of(v[5])}
  ends[3] = {'HEARTBEAT', timeouts.heartbeat_ms, ms_of(v[6])}
  -- Its worker may be lost, and the time in the queue begins anew.
  ends[4] = {'LATER', timeouts.queue_ms and math.max(timeouts.queue_ms, 10000), at_ms}
elseif token ~= '' or (v[7] or '') ~= '' then
  ends[2] = {'QUEUE', timeouts.queue_ms, ms_of(v[6])}
end
if not running and token ~= '' then
  -- It may begin at any moment.
  ends[3] = {'LATER', timeouts.run_ms, at_ms}
  ends[4] = {'LATER', timeouts.heartbeat_ms, at_ms}
end
local soonest = nil
for _, one in ipairs(ends) do
  local word, allowed, since = unpack(one)
  if allowed and since then
    if since + allowed <= at_ms and allowed > 0 then return {word, token, allowed, v[8] or ''} end
    soonest = math.min(soonest or math.huge, since + allowed)
  end
end
-- While it waits for its next attempt only the total time runs; being handed out sets the timer anew.
if not soonest then
  redis.call('ZREM', timers, timer)
  return 'REMOVED'
end
redis.call('ZADD', timers, string.format('%d', soonest), timer)
return 'LATER'
