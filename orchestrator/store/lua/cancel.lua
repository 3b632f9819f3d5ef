-- cancel: end a scenario before its time, a chunk of tasks a call: what waits never starts, what runs is told to stop.
--
-- From the first call on nothing of it is dispatched any more; a timer lets the engine go on when the caller dies.
--
-- KEYS  1 scenario       hash     scenario:<id>
--       2 timers         zset     what is due later
--       3 cancellations  stream   capped; tells workers what to stop
-- ARGV  1 prefix         string   key prefix of the partition
--       2 workers        string   consumer group of the workers
--       3 scenario_id    string
--       4 cause          string   JSON object with type and message, and who asked; empty goes on with one that began
--       5 limit          integer  tasks a call
--       6 retention_ms   integer  how long a finished scenario is kept, milliseconds
-- Returns  one of
--          DONE       all of its tasks are final
--          MORE       call again
--          FINAL      it had ended before; at most the timer was removed
--          UNKNOWN    there is no such scenario
-- Repeat   goes on, then FINAL.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, finish_scenarios
local scenario, timers, cancellations = KEYS[1], KEYS[2], KEYS[3]
local prefix, workers, scenario_id, cause = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local limit, retention_ms = item_count(ARGV[5]), whole(ARGV[6], 'retention_ms')
local doomed, told, queues = {}, {}, {}

check(limit > 0, 'limit')
redis.call('ZCARD', timers)
redis.call('XLEN', cancellations)
local state = redis.call('HMGET', scenario, 'status', 'task_ids', 'cancel', 'cancel_at')
if state[1] ~= 'pending' and state[1] ~= 'processing' then
  redis.call('ZREM', timers, 'cancel:' .. scenario_id)
  return state[1] and 'FINAL' or 'UNKNOWN'
end
check(state[3] or cause ~= '', 'a cause')
local why, position = state[3] or cause, tonumber(state[4] or 1)
local found = counts_of(prefix, scenario_id)
found.cancel, found.error = why, why
local at_ms = now_ms()
local now = iso(at_ms)

-- The cursor is a position in the JSON list of ids, which are plain strings.
for _ = 1, limit do
  local _, last, id = string.find(state[2] or '', '"([^"]+)"', position)
  if not id then position = nil break end
  position = last + 1
  local key = prefix .. 'task:' .. id
  local task = redis.call('HMGET', key, 'status', 'service', 'entry', 'scenario_id')
  if not task[1] or task[4] ~= scenario_id then
    move_count(found, 'pending', 'cancelled')  -- it was not written yet, and never will be
  elseif task[1] == 'pending' or task[1] == 'processing' then
    move_count(found, task[1], 'cancelled')
    local queue = prefix .. 'queue:' .. task[2]
    if not queues[queue] then queues[queue] = redis.call('XLEN', queue) end
    doomed[#doomed + 1] = {id, key, queue, task[3] or ''}
  end
end
local finished = decide_finished(prefix)

for _, task in ipairs(doomed) do
  local id, key, queue, entry = unpack(task)
  redis.call('HSET', key, 'status', 'cancelled', 'updated_at', now, 'finished_at', now, 'error', why)
  redis.call('ZREM', timers, 'lease:' .. id, 'retry:' .. id)
  if entry ~= '' then
    redis.call('XACK', queue, workers, entry)
    redis.call('XDEL', queue, entry)
    told[#told + 1] = id
  end
end
if #told > 0 then redis.call('XADD', cancellations, 'MAXLEN', '~', 1000, '*', 'tasks', table.concat(told, ' ')) end
redis.call('HSET', scenario, 'cancel', why, 'cancel_at', position or #state[2] + 1, 'error', why, 'updated_at', now)
write_counts(prefix, now)
write_finished(prefix, timers, finished, now, at_ms + retention_ms)
if position and #finished == 0 then
  redis.call('ZADD', timers, at_ms + 1000, 'cancel:' .. scenario_id)
  return 'MORE'
end
redis.call('ZREM', timers, 'cancel:' .. scenario_id)
return 'DONE'
