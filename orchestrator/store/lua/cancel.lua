-- cancel: end a scenario before its time, a chunk of tasks a call: what waits never starts, what runs is told to stop.
--
-- From the first call on nothing of it is dispatched any more, but for its `finally` tasks, which begin when all others
-- have ended, and the scenarios within it that are cancelled with it: the end of the last of these brings another call. A
-- timer lets the engine go on when the caller dies.
--
-- KEYS  1 scenario       hash     scenario:<id>
--       2 timers         zset     what is due later
--       3 cancellations  stream   capped; tells workers what to stop
-- ARGV  1 prefix         string   key prefix of the partition
--       2 workers        string   consumer group of the workers
--       3 scenario_id    string
--       4 cause          string   JSON object with type and message, and who asked; empty goes on with one that began
--       5 limit          integer  tasks a call
--       6 retention      string   how long a finished scenario is kept; see the fragment retention
-- Returns  one of
--          DONE       all of its tasks are final
--          MORE       call again
--          FINAL      it had ended before, or there is nothing to go on with; at most the timer was removed
--          UNKNOWN    there is no such scenario
-- Repeat   goes on, then FINAL.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, accounts, finish_scenarios, retention, tell, sub_scenarios, task_ids
local scenario, timers, cancellations = KEYS[1], KEYS[2], KEYS[3]
local prefix, workers, scenario_id, cause = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local limit, retention = item_count(ARGV[5]), retention_of(ARGV[6])
local events = prefix .. 'task-events'
local doomed, told, queues, lasting, lasting_ids = {}, {}, {}, {}, {}

check(limit > 0, 'limit')
redis.call('ZCARD', timers)
redis.call('XLEN', cancellations)
local state = redis.call('HMGET', scenario, 'status', 'cancel', 'cancel_at', 'lasting', 'late')
redis.call('XLEN', events)
local ended = state[1] ~= 'pending' and state[1] ~= 'processing'
if ended or not state[2] and cause == '' then
  redis.call('ZREM', timers, 'cancel:' .. scenario_id)
  return state[1] and 'FINAL' or 'UNKNOWN'
end
local why = state[2] or cause
local some, position, at_end = ids_from(scenario, tonumber(state[3] or 1), limit)
local found, late, below, released = counts_of(prefix, scenario_id), tonumber(state[5] or 0), {}, {}
found.cancel, found.error = why, why
local at_ms = now_ms()
local now = iso(at_ms)

for _, id in ipairs(some) do
  local key = prefix .. 'task:' .. id
  local task = redis.call('HMGET', key, 'status', 'service', 'entry', 'scenario_id', 'token', 'rules', 'worker', 'flow_places',
    'released', 'group')
  local rules = rules_of({rules = task[6]})
  if not task[1] or task[4] ~= scenario_id then
    move_count(found, 'pending', 'cancelled')  -- it was not written yet, and never will be
  elseif rules.finally then
    lasting_ids[#lasting_ids + 1] = id
  elseif task[1] == 'pending' or task[1] == 'processing' then
    move_count(found, task[1], 'cancelled')
    if task[7] == 'orchestrator' and orphan(prefix, id) then below[#below + 1] = key end
    local queue = prefix .. 'queue:' .. task[2]
    if not queues[queue] then queues[queue] = redis.call('XLEN', queue) end
    plan_exit(prefix, {id = id, flow_places = task[8]})
    doomed[#doomed + 1] = {id, key, queue, task[3] or '', task[5] or ''}
  elseif task[9] == '0' and task[10] then
    released[#released + 1] = key  -- its children end with all others
  elseif task[1] == 'failed' and task[7] == 'orchestrator' and task[9] ~= '0' and orphan(prefix, id) then
    below[#below + 1] = key  -- what it was is just being brought back
  end
end
late = late + #below
-- With the last chunk all others are final, so a `finally` task waits only for those of its kind that are there and have
-- not released it yet, and for all that is `late`: see the fragment release. One with children waits for these anyway.
-- Those of an earlier cancellation, after which it was brought back, are found anew.
local all_lasting = (state[3] and state[4] or '') .. table.concat(lasting_ids, ' ') .. (#lasting_ids > 0 and ' ' or '')
if at_end then
  local waits, waiting = {}, {}
  for id in string.gmatch(all_lasting, '%S+') do
    local task = redis.call('HMGET', prefix .. 'task:' .. id, 'status', 'queue', 'group', 'consumers', 'released')
    local alive = task[1] == 'pending' or task[1] == 'processing'
    local from = alive and 1 or tonumber(task[5] or '')
    for other in string.gmatch(from and string.sub(task[4], from) or '', '"([^"]+)"') do waits[other] = (waits[other] or 0) + 1 end
    local queue = tonumber(task[2])
    if task[1] == 'pending' and queue > 0 and (task[3] or '') == '' then waiting[id] = queue end
  end
  for id, queue in pairs(waiting) do
    local left = (waits[id] or 0) + late
    if queue ~= left then lasting[#lasting + 1] = {id, left} end
  end
end
local finished = decide_finished(prefix)

for _, task in ipairs(doomed) do
  local id, key, queue, entry, token = unpack(task)
  redis.call('HSET', key, 'status', 'cancelled', 'updated_at', now, 'finished_at', now, 'error', why)
  redis.call('ZREM', timers, 'lease:' .. id, 'start:' .. id, 'overdue:' .. id)
  if entry ~= '' then
    redis.call('XACK', queue, workers, entry)
    redis.call('XDEL', queue, entry)
    told[#told + 1] = {id, token, 'cancelled'}
  end
end
for _, key in ipairs(below) do redis.call('HSET', key, 'released', '0') end
for _, key in ipairs(released) do redis.call('HSET', key, 'released', '') end
if #below > 0 then redis.call('HSET', scenario, 'late', late) end
write_exits(at_ms)
tell(cancellations, told)
write_orphans(prefix, timers, at_ms)
for _, task in ipairs(lasting) do
  redis.call('HSET', prefix .. 'task:' .. task[1], 'queue', task[2], 'updated_at', now)
  if task[2] == 0 then redis.call('XADD', events, '*', 'task_id', task[1], 'status', 'look') end
end
if #lasting_ids > 0 then redis.call('HSET', scenario, 'lasting', all_lasting) end
redis.call('HSET', scenario, 'cancel', why, 'cancel_at', position, 'error', why, 'updated_at', now)
if found.paused then  -- its `finally` tasks may be held
  redis.call('HDEL', scenario, 'paused', 'pause_at')
  redis.call('ZADD', timers, at_ms, 'resume:' .. scenario_id)
end
write_counts(prefix, now)
write_finished(prefix, timers, finished, now, at_ms, retention)
if not at_end and #finished == 0 then
  redis.call('ZADD', timers, at_ms + 1000, 'cancel:' .. scenario_id)
  return 'MORE'
end
redis.call('ZREM', timers, 'cancel:' .. scenario_id)
return 'DONE'
