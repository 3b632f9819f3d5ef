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
--       6 retention     string   how long a finished scenario is kept; see the fragment retention
--       7 lease_ms      integer  lease of a task that is worked on over HTTP, milliseconds
--       8 chance        integer  random, 0..999999: where in its range the delay of a next attempt falls
--       9 entries       string   ids of the entries of `task-events` that end with these reports, separated by spaces
--      10 ... reports   per report: task id, kind, token, how it came (acked: its queue entry is gone; stream: it may
--                       stand; http; engine: of a task that no worker has, or that is overdue), cursor, number n of
--                       strings, n strings (fields and values to set; of a failure also error_type, and retry: never,
--                       milliseconds to wait, or `lost` and how often a worker may be lost)
--
-- Kinds of the engine's own: release goes on releasing from a cursor (0: see the fragment release); go dispatches a task that
-- it was asked about; delay does so after as many milliseconds as the cursor says; hold starts one that waits for something
-- outside, as the attempt that the cursor says (0: whichever is next).
-- Returns  three lists: per report one of the words, the scenarios that ended (id, space, status), and timers of flow that are due
--          APPLIED
--          DUPLICATE   it says what is known
--          STALE       its token is not the current one
--          FINISHED    the task ended otherwise
--          UNKNOWN     there is no such task
--          NOT_READY   by HTTP: the task still waits for others; of what cancels it: it runs at the end, which is not there yet
--          HELD        by HTTP without a token: a worker is at it; from a stream: it was taken over HTTP
-- Repeat   final reports are DUPLICATE, STALE or FINISHED, others are applied again; nothing changes.
-- Cost     O(reports + budget)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, holder, rules, flow, dispatch, ledger, release, attempts, lost, dead_letters, accounts, finish_scenarios, retention, tell, sub_scenarios
local events, timers, cancellations = KEYS[1], KEYS[2], KEYS[3]
local prefix, group, workers, nonce = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local budget, retention, lease_ms = whole(ARGV[5], 'budget'), retention_of(ARGV[6]), whole(ARGV[7], 'lease_ms')
local chance, entries = whole(ARGV[8], 'chance'), ARGV[9]
local KINDS = {processing = true, progress = true, success = true, failed = true, cancelled = true, skipped = true, release = true,
  go = true, delay = true, hold = true}
local ENGINE = {skipped = true, go = true, delay = true, hold = true}
local WAYS = {acked = true, stream = true, http = true, engine = true}
local answers, brought, removals, renewals, leases, starts, started, stops, told, watched, bereaved, late = {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}

check(budget > 0 and #nonce > 0, 'numbers')
redis.call('XLEN', events)
redis.call('ZCARD', timers)
redis.call('XLEN', cancellations)
local at_ms = now_ms()
local now = iso(at_ms)
for entry_id in string.gmatch(entries, '%S+') do brought[#brought + 1] = stream_id(entry_id) end

-- Why a report of the engine itself cannot be applied, or nil: the state may have gone on since the engine looked.
local function engine_refusal(task, kind, token, cursor)
  if FINAL[task.status] then return task.status == kind and 'DUPLICATE' or 'FINISHED' end
  if token ~= (task.token or '') then return 'STALE' end
  detail(task)
  if token == '' and task.queue > 0 and kind ~= 'failed' then return 'NOT_READY' end
  local found = counts_of(prefix, task.scenario_id)
  if found and found.cancel and not rules_of(task).finally then return 'STALE' end
  if kind ~= 'go' and kind ~= 'delay' and kind ~= 'hold' then return nil end
  if token ~= '' or (task.flow_places or '') ~= '' then return 'STALE' end
  -- It waits for the clock; or the engine looked before an attempt that has come and gone.
  if redis.call('ZSCORE', timers, 'start:' .. task.id) then return 'STALE' end
  local wanted = kind == 'hold' and tonumber(cursor) or 0
  return wanted > 0 and wanted ~= (tonumber(task.attempt) or 0) + 1 and 'STALE' or nil
end

-- Why a report cannot be applied, or nil.
local function refusal(task, kind, token, way, cursor)
  if not task then return 'UNKNOWN' end
  if kind == 'release' then
    detail(task)
    return task.released ~= cursor and 'DUPLICATE' or nil
  end
  if way == 'engine' then return engine_refusal(task, kind, token, cursor) end
  if ENGINE[kind] then return 'STALE' end
  if kind == 'cancelled' then
    detail(task)
    if way ~= 'http' then return 'STALE' end
    if FINAL[task.status] then return task.status == kind and 'DUPLICATE' or 'FINISHED' end
    -- Those behind it wait for the end of all others by waiting for it; but not by waiting for a child.
    local rules = rules_of(task)
    return rules.finally and not rules.child and task.queue > 0 and not task.group and 'NOT_READY' or nil
  end
  if token == '' and way ~= 'http' then return 'STALE' end
  if token ~= task.token and (token ~= '' or way ~= 'http') then return 'STALE' end
  if FINAL[task.status] then return task.status == kind and 'DUPLICATE' or 'FINISHED' end
  if task.status == 'pending' then
    -- Without a token of its own it waits for others, for its next attempt, or for what the engine decides of it.
    if (task.token or '') == '' then return way == 'http' and 'NOT_READY' or 'STALE' end
    return kind == 'progress' and 'STALE' or nil
  end
  if task.worker == 'http' then return way ~= 'http' and not FINAL[kind] and 'HELD' or nil end
  return token == '' and 'HELD' or nil
end

-- Work over HTTP has no stream entry: its lease is a timer. Work from a stream keeps its pending entry.
local function keep_lease(task, way)
  detail(task)
  if way ~= 'http' then
    local queue = queue_of(prefix, task.service)
    local consumer = holder(queue, workers, task.entry)
    if consumer then renewals[#renewals + 1] = {queue, consumer, task.entry} end
    return
  end
  if task.entry ~= '' then removals[#removals + 1] = {queue_of(prefix, task.service), task.entry} end
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
  detail(task)
  if task.started_at == '' then set(task, 'started_at', now) end
end

-- Value of a name in the strings of a report that stand in ARGV from `first` to `last`.
local function said(name, first, last)
  for i = first, last, 2 do
    if ARGV[i] == name then return ARGV[i + 1] end
  end
  return ''
end

local function set_all(task, first, last, left_out)
  for i = first, last, 2 do
    if ARGV[i] ~= left_out and ARGV[i] ~= 'fingerprint' then set(task, ARGV[i], ARGV[i + 1]) end
  end
end

-- Milliseconds until the attempt after a failed one, or nil when there is none; and the field that counts it, with its new
-- value: an attempt whose process died is none of the handler's failures.
local function what_follows(task, error_type, hint, chance)
  local max_lost = string.match(hint, '^lost (%d+)$')
  if not max_lost then
    local delay_ms = next_attempt(task, error_type, hint, chance)
    return delay_ms, 'failures', task.failures + 1
  end
  local lost, gave_up = lost_again(task, whole(max_lost, 'max_lost'))
  return not gave_up and 0 or nil, 'lost', lost
end

-- A failed attempt that is to be followed by another: the task waits for its timer without a token, so nothing of the old
-- attempt counts any more.
local function try_again(task, delay_ms, counter, count)
  if task.status == 'processing' then move_count(counts_of(prefix, task.scenario_id), 'processing', 'pending') end
  task.status, task.token, task.worker = 'pending', '', ''
  set(task, 'status', 'pending')
  set(task, counter, count)
  set(task, 'updated_at', now)
  for _, name in ipairs({'token', 'entry', 'worker', 'started_at', 'progress', 'message'}) do set(task, name, '') end
  starts[#starts + 1] = {'start:' .. task.id, at_ms + delay_ms}
end

-- What an attempt leaves behind that its own report did not take away.
local function clear(task, kind, way, cause)
  if way ~= 'acked' then
    detail(task)
    if task.entry ~= '' then removals[#removals + 1] = {queue_of(prefix, task.service), task.entry} end
    if task.group and kind ~= 'success' then
      bereaved[#bereaved + 1] = task.id
      task.late = task.queue > unmade(task)
    end
    if task.entry ~= '' and (kind == 'cancelled' or way == 'engine') then told[#told + 1] = {task.id, task.token or '', cause} end
  end
  if task.worker == 'orchestrator' and kind ~= 'success' and orphan(prefix, task.id) then
    task.late, task.has_scenario = true, true
  end
  plan_exit(prefix, task)
  if task.worker == 'http' then stops[#stops + 1] = 'lease:' .. task.id end
  if kind == 'cancelled' or way == 'engine' then stops[#stops + 1] = 'start:' .. task.id end
end

-- One more task of a scenario, or one less, that ended before the scenario that it started.
local function count_late(task, n)
  if counts_of(prefix, task.scenario_id) then late[task.scenario_id] = (late[task.scenario_id] or 0) + n end
end

-- The end of an attempt.
local function apply_end(task, kind, way, first, last)
  clear(task, kind, way, kind == 'failed' and said('error_type', first, last) or kind)
  if kind == 'failed' then
    local error_type, hint = said('error_type', first, last), said('retry', first, last)
    local delay_ms, counter, count = what_follows(task, error_type, hint, chance + #starts * 618033)
    note_attempt(prefix, task, said('worker', first, last), said('error', first, last))
    if delay_ms then
      task.late = nil
      return try_again(task, delay_ms, counter, count)
    end
    detail(task)
    local fingerprint = note_dead(prefix, task, said('fingerprint', first, last))
    if fingerprint then set(task, 'fingerprint', fingerprint) end
  end
  set_all(task, first, last, 'retry')
  -- It ended before anybody noted that it ran.
  if task.status == 'pending' and (kind == 'success' or kind == 'failed') then set(task, 'started_at', now) end
  if task.late and task.has_scenario then count_late(task, 1) end
  finish(prefix, task, kind, now)
end

-- Template fields that were worked out when the task became ready take the place of what stood there.
local function fill(task, first, last)
  for i = first, last, 2 do
    local place = task.n + 1
    for k = 1, task.n, 2 do
      if task.fields[k] == ARGV[i] then place = k end
    end
    task.fields[place], task.fields[place + 1] = ARGV[i], ARGV[i + 1]
    task.n = math.max(task.n, place + 1)
  end
end

-- What the engine decided of a task that it was asked about.
local function apply_decision(task, kind, cursor, first, last)
  set_all(task, first, last, '')
  if kind == 'go' then
    whole_task_of(prefix, task.id)
    fill(task, first, last)
    plan_dispatch(prefix, task)
    task.token = 'given'  -- a second decision in the same call comes too late
    started[#started + 1] = task
  elseif kind == 'delay' then
    starts[#starts + 1] = {'start:' .. task.id, at_ms + tonumber(cursor)}
  else
    detail(task)
    task.token = (tonumber(task.attempt) or 0) + 1 .. '.' .. nonce .. '.h' .. #answers
    set(task, 'token', task.token)
    set(task, 'attempt', (tonumber(task.attempt) or 0) + 1)
    set(task, 'worker', 'orchestrator')
    start(task)
    if rules_of(task).timeouts then
      task.ready_ms = redis.call('HGET', task.key, 'ready_ms') or nil
      watched[#watched + 1] = task
    end
  end
end

-- `first` and `last`: where the strings of the report stand in ARGV.
local function apply(task, kind, way, cursor, first, last)
  if kind == 'release' then
    if cursor == '0' and not task.group then count_late(task, -1) end
    -- Never 0 again, if there is no room to begin with it: it is counted once.
    task.released, task.resumed, task.position = false, true, math.max(tonumber(cursor), 1)
    -- What `end_for` knew when it ended.
    if task.status == 'skipped' then
      task.ended_by = string.match(redis.call('HGET', task.key, 'error') or '', '^{"type":"([%w_]+)"')
    end
    releases[#releases + 1] = task
  elseif FINAL[kind] then
    apply_end(task, kind, way, first, last)
  elseif ENGINE[kind] then
    apply_decision(task, kind, cursor, first, last)
  else
    set_all(task, first, last, kind == 'progress' and 'worker' or '')
    start(task)
    keep_lease(task, way)
  end
end

local i = 10
while i <= #ARGV do
  local kind, token, way, cursor, n = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], item_count(ARGV[i + 5])
  local first, last = i + 6, i + 5 + n
  check(KINDS[kind] and WAYS[way] and n % 2 == 0 and last <= #ARGV, 'report')
  if cursor ~= '0' then whole(cursor, 'cursor') end
  local task = task_of(prefix, ARGV[i])
  local answer = refusal(task, kind, token, way, cursor)
  if not answer then apply(task, kind, way, cursor, first, last) end
  answers[#answers + 1] = answer or 'APPLIED'
  i = last + 1
end
check(#answers <= 500, 'at most 500 reports')

release_all(prefix, budget, now)
local finished = decide_finished(prefix)
check_tasks()

for _, entry in ipairs(removals) do
  redis.call('XACK', entry[1], workers, entry[2])
  redis.call('XDEL', entry[1], entry[2])
end
for _, entry in ipairs(renewals) do
  redis.call('XCLAIM', entry[1], workers, entry[2], 0, entry[3], 'JUSTID')
end
write_exits(at_ms)
write_releases(events, timers, nonce, now, at_ms)
write_tasks()
for n, task in ipairs(started) do dispatch(timers, task, nonce .. '.g' .. n, now, at_ms) end
for _, task in ipairs(watched) do watch(timers, task, rules_of(task).timeouts, at_ms) end
write_attempts(prefix, now)
write_dead(prefix, at_ms)
for _, timer in ipairs(stops) do redis.call('ZREM', timers, timer) end
for _, timer in ipairs(starts) do redis.call('ZADD', timers, timer[2], timer[1]) end
for _, id in ipairs(leases) do redis.call('ZADD', timers, at_ms + lease_ms, 'lease:' .. id) end
tell(cancellations, told)
write_orphans(prefix, timers, at_ms)
-- Children of a task that did not succeed are not wanted any more; the engine cancels them.
for _, id in ipairs(bereaved) do redis.call('XADD', events, '*', 'task_id', id, 'status', 'look') end
write_counts(prefix, now)
for scenario_id, n in pairs(late) do
  local left, found = redis.call('HINCRBY', prefix .. 'scenario:' .. scenario_id, 'late', n), counts[scenario_id]
  -- What runs at the end has waited for that: see cancel.lua.
  if left == 0 and found.cancel and not FINAL[found.status] then redis.call('ZADD', timers, at_ms, 'cancel:' .. scenario_id) end
end
write_finished(prefix, timers, finished, now, at_ms, retention)
if #brought > 0 then
  redis.call('XACK', events, group, unpack(brought))
  redis.call('XDEL', events, unpack(brought))
end
local ended = {}
for k, scenario_id in ipairs(finished) do ended[k] = scenario_id .. ' ' .. counts[scenario_id].status end
return {answers, ended, touched}
