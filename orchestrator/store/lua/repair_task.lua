-- repair_task: mend one fault of a task, if it stands exactly where the caller has seen it.
--
-- KEYS  1 events    stream   task-events
--       2 timers    zset     what is due later
-- ARGV  1 prefix    string   key prefix of the partition
--       2 workers   string   consumer group of the workers
--       3 task_id   string
--       4 nonce     string   random, never used before; makes the token
--       5 action    string   again (hand it out again), wait (for as many tasks as `number` says), end (because of the task that
--                            `text` names), reset (the engine begins with it anew), look, release (go on with it), slot (put it
--                            into the set that `text` names), serve (its service), letter (list the dead letter), leave (take
--                            away what an ended one left)
--       6 number    integer
--       7 text      string   of wait: what it has counted
--       8 budget    integer  how many dependents may be touched
--       9 retention string   how long a finished scenario is kept; see the fragment retention
--      10 ... seen  where it stood, as `standing` gave it
-- Returns  one of
--          OK        mended
--          CHANGED   it stands elsewhere now; nothing was done
-- Repeat   CHANGED
-- Cost     O(budget)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, dispatch, ledger, release, dead_letters, accounts, finish_scenarios, retention, backlog, standing
local events, timers = KEYS[1], KEYS[2]
local prefix, workers, task_id, nonce, action = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local number, text, budget, retention = whole(ARGV[6], 'number'), ARGV[7], whole(ARGV[8], 'budget'), retention_of(ARGV[9])
local key = prefix .. 'task:' .. task_id
local plans, ours = {}, {}

check(#nonce > 0 and #task_id == 16 and budget > 0, 'a task')
redis.call('XLEN', events)
redis.call('ZCARD', timers)
local at_ms = now_ms()
local now = iso(at_ms)
local stands = standing_of(prefix, workers, task_id)
for i, name in ipairs(STANDING) do ours[name] = stands[i] end
local entry_stands = stands[#STANDING + 1]

check(#stands == 0 or #ARGV == 9 + #stands, 'where it stood')

local function is_as_seen()
  for i, value in ipairs(stands) do
    if value ~= ARGV[9 + i] then return false end
  end
  return #stands > 0
end

local function ask()
  redis.call('HSET', key, 'updated_at', now)  -- so that it does not stand where it was seen
  redis.call('XADD', events, '*', 'task_id', task_id, 'status', 'look')
end

-- Plan to begin with it; what it says of itself is not asked any more. Returns what does it.
local function plan_start()
  local task = whole_task_of(prefix, task_id)
  if rules_of(task).ask or task.group or task.service == 'orchestrator' then return ask end
  plan_dispatch(prefix, task)
  return function() dispatch(timers, task, nonce .. '.1', now, at_ms) end
end

-- Plan to take it back from whoever has it. Returns what does it.
local function plan_back()
  local queue = queue_of(prefix, ours.service)
  if ours.status == 'processing' then move_count(counts_of(prefix, ours.scenario_id), 'processing', 'pending') end
  return function()
    if entry_stands ~= '' and entry_stands ~= 'gone' then
      redis.call('XACK', queue, workers, ours.entry)
      redis.call('XDEL', queue, ours.entry)
    end
    redis.call('ZREM', timers, 'lease:' .. task_id)
    redis.call('HSET', key, 'status', 'pending', 'token', '', 'entry', '', 'worker', '', 'started_at', '', 'progress', '',
      'message', '', 'updated_at', now)
    write_counts(prefix, now)
  end
end

function plans.again()
  local back, start = plan_back(), plan_start()
  return function()
    back()
    start()
  end
end

function plans.reset()
  local back = plan_back()
  return function()
    back()
    ask()
  end
end

function plans.wait()
  local start = number == 0 and plan_start()
  return function()
    redis.call('HSET', key, 'queue', number, 'updated_at', now)
    if text ~= '' then redis.call('HSET', key, 'got', text) end
    if start then start() end
  end
end

plans['end'] = function()
  local task, parent = whole_task_of(prefix, task_id), task_of(prefix, text)
  check(parent and FINAL[parent.status] and ours.status == 'pending', 'a task that has ended')
  parent.ended_by = string.match(redis.call('HGET', parent.key, 'error') or '', '^{"type":"([a-z_]+)"')
  if rules_of(task).need then
    local message = 'too many of the tasks that this one depends on did not succeed'
    end_for(prefix, task, parent, parent.status == 'failed' and 'failed' or 'skipped', 'join_not_met', message, now)
  else
    end_with(prefix, task, parent, now)
  end
  release_all(prefix, budget, now)
  local finished = decide_finished(prefix)
  return function()
    write_exits(at_ms)
    write_releases(events, timers, nonce, now, at_ms)
    write_tasks()
    write_counts(prefix, now)
    write_finished(prefix, timers, finished, now, at_ms, retention)
  end
end

function plans.look() return ask end

function plans.release()
  check(whole(ours.released, 'cursor'), 'a cursor')
  return function()
    redis.call('HSET', key, 'updated_at', now)
    redis.call('XADD', events, '*', 'task_id', task_id, 'status', 'release', 'cursor', ours.released)
  end
end

function plans.slot()
  check(string.find(text, '^slots:'), 'a set of slots')
  redis.call('SCARD', prefix .. text)
  return function() redis.call('SADD', prefix .. text, task_id) end
end

function plans.serve()
  redis.call('SCARD', prefix .. 'services')
  return function() redis.call('SADD', prefix .. 'services', ours.service) end
end

function plans.letter()
  local service, hash = string.match(ours.fingerprint, '^(.+):(%x+)$')
  check(note_dead(prefix, {id = task_id, service = service}, hash or ''), 'a dead letter')
  return function() write_dead(prefix, at_ms) end
end

function plans.leave()
  check(FINAL[ours.status], 'a task that has ended')
  local queue = queue_of(prefix, ours.service)
  plan_exit(prefix, {id = task_id, flow_places = ours.flow_places})
  return function()
    if entry_stands ~= '' and entry_stands ~= 'gone' then
      redis.call('XACK', queue, workers, ours.entry)
      redis.call('XDEL', queue, ours.entry)
    end
    write_exits(at_ms)
    redis.call('ZREM', timers, 'lease:' .. task_id, 'start:' .. task_id, 'overdue:' .. task_id)
  end
end

check(plans[action], 'action')
if not is_as_seen() then return 'CHANGED' end
local mend = plans[action]()
check_tasks()

mend()
return 'OK'
