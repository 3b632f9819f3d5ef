-- release: the end of tasks, and what it means for those that wait for them: one becomes ready, or ends too.
-- Needs the fragments ledger, rules, dispatch and counts.
--
-- `released` of an ended task: where in its list of dependents to go on; '0': they are told when what is below it has ended,
-- its children or the scenario that it started (it is `late`); empty: all were told.
local releases, counted, unfinished, ended_watches = {}, {}, {}, {}

-- End a task; what depends on it comes later, from `position` of its list.
local function finish(prefix, task, status, now)
  local found, rules = counts_of(prefix, task.scenario_id), rules_of(task)
  if found and status == 'failed' then
    if rules.optional or rules.tolerated then
      tolerate(found)
    elseif found.failed == found.tolerated and not found.cancel then
      found.error = '{"type":"task_failed","message":"a task failed","task_id":"' .. task.id .. '"}'
    end
  end
  move_count(found, task.status, status)
  if rules.timeouts then ended_watches[#ended_watches + 1] = 'overdue:' .. task.id end
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

local function end_for(prefix, task, parent, status, kind, message, now)
  task.ended_by = kind
  set(task, 'error', '{"type":"' .. kind .. '","message":"' .. message .. '","task_id":"' .. parent.id .. '"}')
  finish(prefix, task, status, now)
end

-- A task that needs all its parents, one of which ended otherwise.
local function end_with(prefix, task, parent, now)
  local message = 'a task that this one depends on did not succeed'
  if parent.status == 'cancelled' then return end_for(prefix, task, parent, 'cancelled', 'upstream_cancelled', message, now) end
  local skipped = parent.status == 'skipped' and parent.ended_by ~= 'upstream_failed'
  end_for(prefix, task, parent, 'skipped', skipped and 'upstream_skipped' or 'upstream_failed', message, now)
end

-- A task that needs some of its parents: `got` counts those that succeeded and those that failed.
local function count_for_some(prefix, task, parent, good, need, now)
  local won, lost = string.match(task.got or '', '^(%d+) (%d+)$')
  local failed = not good and (parent.status == 'failed' or parent.ended_by == 'upstream_failed')
  won, lost = tonumber(won or 0) + (good and 1 or 0), tonumber(lost or 0) + (failed and 1 or 0)
  task.got = won .. ' ' .. lost
  task.queue = won >= need and 0 or task.queue - 1
  if won + task.queue >= need then return true end
  local message = won .. ' of the tasks that this one depends on succeeded, ' .. need .. ' are needed'
  end_for(prefix, task, parent, lost > 0 and 'failed' or 'skipped', 'join_not_met', message, now)
  return false
end

-- A task that waits for its children: the engine looks at it when all have ended.
local function count_child(task, good)
  local won, lost = string.match(task.got or '', '^(%d+) (%d+)$')
  task.got = (won or 0) + (good and 1 or 0) .. ' ' .. (lost or 0) + (good and 0 or 1)
  task.queue = task.queue - 1
  return true
end

local function is_good(parent)
  return parent.status == 'success' or parent.status ~= 'cancelled' and rules_of(parent).optional
end

-- Whether a task is one less away from being ready, or ready.
local function counts_for(prefix, task, parent, now)
  local rules = rules_of(task)
  local good = is_good(parent)
  if task.group then return count_child(task, good) end
  if rules.need then return count_for_some(prefix, task, parent, good, rules.need, now) end
  if not good and not rules.all_done then
    end_with(prefix, task, parent, now)
    return false
  end
  task.queue = task.queue - 1
  return true
end

-- How many children a task waits for that will never be made.
local function unmade(task)
  local written, total = string.match(task.group, '^(%d+) (%d+)')
  return total - written
end

-- A task that ended before its children counts them on: the engine looks at it when the last one has ended.
local function count_left(task, parent)
  if not task.group or rules_of(parent).child ~= task.id then return end
  task.late = task.late or redis.call('HGET', task.key, 'released') == '0'
  if not task.late then return end
  count_child(task, is_good(parent))
  if not task.counted then
    task.counted = true
    counted[#counted + 1] = task
  end
end

local function release_one(prefix, parent, id, now)
  local task = whole_task_of(prefix, id)
  if not task then return end
  if task.status ~= 'pending' then return count_left(task, parent) end
  if task.queue <= 0 then return end
  local found = counts_of(prefix, task.scenario_id)
  if not found and parent.status == 'success' then return end
  -- After a cancellation a `finally` task waits only for those of its kind: see cancel.lua.
  if found and found.cancel and not (rules_of(task).finally and rules_of(parent).finally) then return end
  -- Children may have been made before another parent ended (again).
  if task.group and rules_of(parent).child ~= id then return end
  if not counts_for(prefix, task, parent, now) then return end
  if not task.counted then
    task.counted = true
    counted[#counted + 1] = task
  end
  if task.queue == 0 and not rules_of(task).ask and not task.group then plan_dispatch(prefix, task) end
end

-- Ids stand in a JSON list of plain strings; the cursor is a position in its text, so that no call parses it whole.
-- Returns what is left of the budget.
local function release_from(prefix, task, budget, now)
  local position = task.position
  while true do
    local first, last, id = string.find(task.consumers, '"([^"]+)"', position)
    if not first or budget == 0 then
      task.released = first and tostring(position) or ''
      if first or task.resumed then set(task, 'released', task.released) end
      if first then unfinished[#unfinished + 1] = task end
      return budget
    end
    budget = budget - 1
    position = last + 1
    release_one(prefix, task, id, now)
  end
end

-- Work through all ends, also those that come while it runs: a skipped task releases its own dependents.
local function release_all(prefix, budget, now)
  local k = 1
  while k <= #releases do
    if releases[k].late then
      set(releases[k], 'released', '0')
    else
      budget = release_from(prefix, releases[k], budget, now)
    end
    k = k + 1
  end
end

-- Write what `release_all` found: counters, dispatches, questions to the engine, and what is left for another call.
local function write_releases(events, timers, nonce, now, at_ms)
  for n, task in ipairs(counted) do
    local asked = task.queue == 0 and (rules_of(task).ask or task.group)
    -- One that was counted may have ended later in the same call.
    if task.status == 'pending' and task.queue == 0 and not asked then
      dispatch(timers, task, nonce .. '.' .. n, now, at_ms)
    elseif task.status == 'pending' or task.late then
      redis.call('HSET', task.key, 'queue', task.queue, 'updated_at', now)
      if asked or task.late and task.queue == unmade(task) then redis.call('XADD', events, '*', 'task_id', task.id, 'status', 'look') end
    end
    if task.got then redis.call('HSET', task.key, 'got', task.got) end
  end
  for _, task in ipairs(unfinished) do
    redis.call('XADD', events, '*', 'task_id', task.id, 'status', 'release', 'cursor', task.released)
  end
  for _, timer in ipairs(ended_watches) do redis.call('ZREM', timers, timer) end
end
