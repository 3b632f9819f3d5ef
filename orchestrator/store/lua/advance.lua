-- advance: apply a batch of reports. A task that ends releases its dependents, the last one ends the scenario, and
-- the entries that brought the reports are removed, all in this one step.
--
-- Everything is read into memory first, decided there, and written once: many reports about one task cost one write.
-- Dependents beyond the budget are left to a `release` report that goes on at a stored cursor.
--
-- KEYS  1 events        stream   task-events
--       2 timers        zset     what is due later
--       3 cancellations stream   capped; tells workers what to stop
-- ARGV  1 prefix        string   key prefix of the partition
--       2 group         string   consumer group of the orchestrator
--       3 workers       string   consumer group of the workers
--       4 nonce         string   random, never used before; makes the tokens
--       5 budget        integer  how many dependents may be touched
--       6 retention_ms  integer  how long a finished scenario is kept, milliseconds
--       7 lease_ms      integer  lease of a task that is worked on over HTTP, milliseconds
--       8 chance        integer  random, 0..999999: where in its range the delay of a next attempt falls
--       9 entries       string   ids of the entries of `task-events` that end with these reports, separated by spaces
--      10 ... reports   per report: task id, kind, token, how it came (acked: its queue entry is gone; stream: it may
--                       stand; http), cursor, number n of strings, n strings (fields and values to set; of a
--                       failure also error_type, and retry: never, or milliseconds to wait)
-- Returns  two lists: per report one of the words, and the ids of the scenarios that ended
--          APPLIED
--          DUPLICATE   it says what is known
--          STALE       its token is not the current one
--          FINISHED    the task ended otherwise
--          UNKNOWN     there is no such task
--          NOT_READY   by HTTP: the task still waits for others
--          HELD        by HTTP without a token: a worker is at it; from a stream: it was taken over HTTP
-- Repeat   final reports are DUPLICATE, STALE or FINISHED, others are applied again; nothing changes.
-- Cost     O(reports + budget)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, holder, dispatch, attempts, finish_scenarios
local events, timers, cancellations = KEYS[1], KEYS[2], KEYS[3]
local prefix, group, workers, nonce = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local budget, retention_ms, lease_ms = whole(ARGV[5], 'budget'), whole(ARGV[6], 'retention_ms'), whole(ARGV[7], 'lease_ms')
local chance, entries = whole(ARGV[8], 'chance'), ARGV[9]
local FINAL = {success = true, failed = true, skipped = true, cancelled = true}
local KINDS = {processing = true, progress = true, success = true, failed = true, cancelled = true, release = true}
local WAYS = {acked = true, stream = true, http = true}
local tasks, changed, counted, queues, retries = {}, {}, {}, {}, {}
local answers, brought, releases, unfinished, removals, renewals, leases, unleases, told = {}, {}, {}, {}, {}, {}, {}, {}, {}

check(budget > 0 and #nonce > 0, 'numbers')
redis.call('XLEN', events)
redis.call('ZCARD', timers)
redis.call('XLEN', cancellations)
local at_ms = now_ms()
local now = iso(at_ms)
for entry_id in string.gmatch(entries, '%S+') do brought[#brought + 1] = stream_id(entry_id) end

-- A task that a report is about. What only some reports need is read by `detail`.
local function task_of(id)
  local task = tasks[id]
  if task == nil then
    local key = prefix .. 'task:' .. id
    local v = redis.call('HMGET', key, 'status', 'token', 'scenario_id', 'consumers', 'worker')
    task = v[1] and {id = id, key = key, status = v[1], token = v[2], scenario_id = v[3], consumers = v[4], worker = v[5] or ''}
    tasks[id] = task
  end
  return task
end

local function detail(task)
  if not task.entry then
    local v = redis.call('HMGET', task.key, 'queue', 'service', 'entry', 'started_at', 'released')
    task.queue, task.service, task.entry, task.started_at, task.released = tonumber(v[1]), v[2], v[3] or '', v[4] or '', v[5] or ''
  end
end

-- A task that depends on a finished one, whole, since most become ready by their only parent.
local function dependent_of(id)
  local task = tasks[id]
  if task and not task.fields then
    detail(task)
    local whole_task = read_task(task.key)
    task.fields, task.n = whole_task.fields, whole_task.n
  elseif task == nil then
    task = read_task(prefix .. 'task:' .. id)
    if task.status then
      task.id, task.queue, task.entry = id, tonumber(task.queue), task.entry or ''
    else
      task = false
    end
    tasks[id] = task
  end
  return task
end

local function set(task, name, value)
  local pairs_of = task.set
  if pairs_of then
    local n = #pairs_of
    pairs_of[n + 1], pairs_of[n + 2] = name, value
  else
    changed[#changed + 1] = task
    task.set = {name, value}
  end
end

-- End a task; what depends on it comes later, from `position` of its list.
local function finish(task, status)
  move_count(counts_of(prefix, task.scenario_id), task.status, status)
  task.status, task.position = status, 1
  releases[#releases + 1] = task
  if task.set then
    set(task, 'status', status)
    set(task, 'updated_at', now)
    set(task, 'finished_at', now)
  else
    changed[#changed + 1] = task
    task.set = {'status', status, 'updated_at', now, 'finished_at', now}
  end
end

-- The queue of a service, checked to be a stream before anything is written.
local function queue_of(service)
  local queue = queues[service]
  if not queue then
    queue = prefix .. 'queue:' .. service
    redis.call('XLEN', queue)
    queues[service] = queue
  end
  return queue
end

-- Why a report cannot be applied, or nil.
local function refusal(task, kind, token, way, cursor)
  if not task then return 'UNKNOWN' end
  if kind == 'release' then
    detail(task)
    return task.released ~= cursor and 'DUPLICATE' or nil
  end
  if kind == 'cancelled' then
    detail(task)
    return way ~= 'http' and 'STALE' or FINAL[task.status] and (task.status == kind and 'DUPLICATE' or 'FINISHED') or nil
  end
  if token == '' and way ~= 'http' then return 'STALE' end
  if token ~= task.token and (token ~= '' or way ~= 'http') then return 'STALE' end
  if FINAL[task.status] then return task.status == kind and 'DUPLICATE' or 'FINISHED' end
  if task.status == 'pending' then
    detail(task)
    -- Without a token of its own it waits for others, or for its next attempt.
    if task.queue > 0 or task.token == '' then return way == 'http' and 'NOT_READY' or 'STALE' end
    return kind == 'progress' and 'STALE' or nil
  end
  if task.worker == 'http' then return way ~= 'http' and not FINAL[kind] and 'HELD' or nil end
  return token == '' and 'HELD' or nil
end

-- Work over HTTP has no stream entry: its lease is a timer. Work from a stream keeps its pending entry.
local function keep_lease(task, way)
  detail(task)
  if way ~= 'http' then
    local consumer = holder(queue_of(task.service), workers, task.entry)
    if consumer then renewals[#renewals + 1] = {queue_of(task.service), consumer, task.entry} end
    return
  end
  if task.entry ~= '' then removals[#removals + 1] = {queue_of(task.service), task.entry} end
  set(task, 'worker', 'http')
  set(task, 'entry', '')
  task.worker, task.entry = 'http', ''
  leases[#leases + 1] = task.id
end

local function start(task)
  if task.status == 'processing' then return set(task, 'updated_at', now) end
  move_count(counts_of(prefix, task.scenario_id), task.status, 'processing')
  task.status = 'processing'
  set(task, 'status', 'processing')
  set(task, 'updated_at', now)
  if task.started_at == '' then set(task, 'started_at', now) end
end

-- Value of a name in the strings of a report that stand in ARGV from `first` to `last`.
local function said(name, first, last)
  for i = first, last, 2 do
    if ARGV[i] == name then return ARGV[i + 1] end
  end
  return ''
end

-- A failed attempt that is to be followed by another: the task waits for its timer without a token, so nothing of the old
-- attempt counts any more.
local function try_again(task, delay_ms)
  if task.status == 'processing' then move_count(counts_of(prefix, task.scenario_id), 'processing', 'pending') end
  task.status, task.token, task.worker = 'pending', '', ''
  set(task, 'status', 'pending')
  set(task, 'failures', task.failures + 1)
  set(task, 'updated_at', now)
  for _, name in ipairs({'token', 'entry', 'worker', 'started_at', 'progress', 'message'}) do set(task, name, '') end
  retries[#retries + 1] = {'retry:' .. task.id, at_ms + delay_ms}
end

-- The end of an attempt, success or failure.
local function apply_end(task, kind, way, first, last)
  if way ~= 'acked' then
    detail(task)
    if task.entry ~= '' then removals[#removals + 1] = {queue_of(task.service), task.entry} end
  end
  if task.worker == 'http' then unleases[#unleases + 1] = 'lease:' .. task.id end
  if kind == 'cancelled' then
    unleases[#unleases + 1] = 'retry:' .. task.id
    if task.entry ~= '' then told[#told + 1] = task.id end
  end
  if kind == 'failed' then
    local delay_ms = next_attempt(task, said('error_type', first, last), said('retry', first, last), chance + #retries * 618033)
    note_attempt(prefix, task, said('worker', first, last), said('error', first, last))
    if delay_ms then return try_again(task, delay_ms) end
    local found = counts_of(prefix, task.scenario_id)
    if found and found.failed == 0 then
      found.error = '{"type":"task_failed","message":"a task failed","task_id":"' .. task.id .. '"}'
    end
  end
  for i = first, last, 2 do
    if ARGV[i] ~= 'retry' then set(task, ARGV[i], ARGV[i + 1]) end
  end
  -- It ended before anybody noted that it ran.
  if task.status == 'pending' and kind ~= 'cancelled' then set(task, 'started_at', now) end
  finish(task, kind)
end

-- `first` and `last`: where the strings of the report stand in ARGV.
local function apply(task, kind, way, cursor, first, last)
  if kind == 'release' then
    task.released, task.resumed, task.position = false, true, tonumber(cursor)
    releases[#releases + 1] = task
    return
  end
  if FINAL[kind] then return apply_end(task, kind, way, first, last) end
  for i = first, last, 2 do
    if ARGV[i] ~= 'worker' or kind ~= 'progress' then set(task, ARGV[i], ARGV[i + 1]) end
  end
  start(task)
  keep_lease(task, way)
end

local function release_one(parent, id)
  local task = dependent_of(id)
  if not task or task.status ~= 'pending' or task.queue <= 0 then return end
  if parent.status ~= 'success' then
    local cancelled = parent.status == 'cancelled'
    set(task, 'error', '{"type":"' .. (cancelled and 'upstream_cancelled' or 'upstream_failed') ..
      '","message":"a task that this one depends on did not succeed","task_id":"' .. parent.id .. '"}')
    finish(task, cancelled and 'cancelled' or 'skipped')
    return
  end
  local found = counts_of(prefix, task.scenario_id)
  if not found or found.cancel then return end
  task.queue = task.queue - 1
  if not task.counted then
    task.counted = true
    counted[#counted + 1] = task
  end
  if task.queue == 0 then queue_of(task.service) end
end

-- Ids stand in a JSON list of plain strings; the cursor is a position in its text, so that no call parses it whole.
local function release_from(task)
  local position = task.position
  while true do
    local first, last, id = string.find(task.consumers, '"([^"]+)"', position)
    if not first or budget == 0 then
      task.released = first and tostring(position) or ''
      if first or task.resumed then set(task, 'released', task.released) end
      if first then unfinished[#unfinished + 1] = task end
      return
    end
    budget = budget - 1
    position = last + 1
    release_one(task, id)
  end
end

local i = 10
while i <= #ARGV do
  local kind, token, way, cursor, n = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], item_count(ARGV[i + 5])
  local first, last = i + 6, i + 5 + n
  check(KINDS[kind] and WAYS[way] and n % 2 == 0 and last <= #ARGV, 'report')
  whole(cursor, 'cursor')
  local task = task_of(ARGV[i])
  local answer = refusal(task, kind, token, way, cursor)
  if not answer then apply(task, kind, way, cursor, first, last) end
  answers[#answers + 1] = answer or 'APPLIED'
  i = last + 1
end
check(#answers <= 500, 'at most 500 reports')

-- Grows while it runs: a skipped task releases its own dependents.
local k = 1
while k <= #releases do
  release_from(releases[k])
  k = k + 1
end
local finished = decide_finished(prefix)
for _, task in ipairs(changed) do check(#task.set < 7000, 'fewer reports about one task') end

for _, entry in ipairs(removals) do
  redis.call('XACK', entry[1], workers, entry[2])
  redis.call('XDEL', entry[1], entry[2])
end
for _, entry in ipairs(renewals) do
  redis.call('XCLAIM', entry[1], workers, entry[2], 0, entry[3], 'JUSTID')
end
for n, task in ipairs(counted) do
  if task.queue == 0 and task.status == 'pending' then
    local token = '1.' .. nonce .. '.' .. n
    local entry = dispatch(queues[task.service], task, '1', token)
    redis.call('HSET', task.key, 'queue', '0', 'attempt', '1', 'token', token, 'entry', entry, 'updated_at', now)
  else
    redis.call('HSET', task.key, 'queue', task.queue, 'updated_at', now)
  end
end
for _, task in ipairs(changed) do redis.call('HSET', task.key, unpack(task.set)) end
for _, task in ipairs(unfinished) do
  redis.call('XADD', events, '*', 'task_id', task.id, 'status', 'release', 'cursor', task.released)
end
write_attempts(prefix, now)
for _, timer in ipairs(retries) do redis.call('ZADD', timers, timer[2], timer[1]) end
for _, id in ipairs(leases) do redis.call('ZADD', timers, at_ms + lease_ms, 'lease:' .. id) end
for _, timer in ipairs(unleases) do redis.call('ZREM', timers, timer) end
if #told > 0 then redis.call('XADD', cancellations, 'MAXLEN', '~', 1000, '*', 'tasks', table.concat(told, ' ')) end
write_counts(prefix, now)
write_finished(prefix, timers, finished, now, at_ms + retention_ms)
if #brought > 0 then
  redis.call('XACK', events, group, unpack(brought))
  redis.call('XDEL', events, unpack(brought))
end
return {answers, finished}
