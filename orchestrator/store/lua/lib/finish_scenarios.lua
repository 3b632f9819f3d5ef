-- finish_scenarios: end the scenarios of `counts` whose tasks are all final. Needs the fragments counts and accounts.

-- `outcome`: how its state ends it, of one with states.
local function end_of(found, outcome)
  if found.cancel then return 'cancelled' end
  if outcome then return outcome end
  if found.failed > found.tolerated then return 'failed' end
  return found.cancelled > 0 and 'cancelled' or 'success'
end

-- Between two chunks of `revive` nothing may be alive: its timer is there until the last one.
local function is_reviving(prefix, scenario_id, found)
  return not found.cancel and not found.last and redis.call('ZSCORE', prefix .. 'timers', 'revive:' .. scenario_id)
end

-- Decide which scenarios end, and check what ending them will touch. Reads only.
local function decide_finished(prefix)
  local finished = {}
  for scenario_id, found in pairs(counts) do
    local running = found and (found.status == 'pending' or found.status == 'processing')
    if running and found.pending == 0 and found.processing == 0 and not is_reviving(prefix, scenario_id, found) then
      local v = redis.call('HMGET', prefix .. 'scenario:' .. scenario_id, 'parent', 'tenant', 'batch', 'name', 'outcome')
      found.status = end_of(found, v[5])
      redis.call('ZCARD', prefix .. 'index:' .. found.was)
      redis.call('ZCARD', prefix .. 'index:' .. found.status)
      found.parent, found.tenant, found.name = v[1], v[2], v[4]
      if found.parent then redis.call('XLEN', prefix .. 'task-events') end
      move_account(prefix, v[2], v[3], 'unfinished', found.status)
      finished[#finished + 1] = scenario_id
    end
  end
  table.sort(finished)
  -- Somebody is to be told.
  if #finished > 0 and redis.call('HLEN', prefix .. 'webhooks') > 0 then
    redis.call('XLEN', prefix .. 'outbox')
    for _, scenario_id in ipairs(finished) do counts[scenario_id].told = true end
  end
  return finished
end

-- Write the ends: status, index, and the timer that will purge the scenario. `keep`: how long, by status.
local function write_finished(prefix, timers, finished, now, at_ms, keep)
  write_accounts(prefix)
  for _, scenario_id in ipairs(finished) do
    local found = counts[scenario_id]
    redis.call('HSET', prefix .. 'scenario:' .. scenario_id, 'status', found.status, 'finished_at', now)
    redis.call('ZREM', prefix .. 'index:' .. found.was, scenario_id)
    redis.call('ZADD', prefix .. 'index:' .. found.status, found.created_ms, scenario_id)
    redis.call('ZADD', timers, at_ms + keep[found.status], 'purge:' .. scenario_id)
    if found.told then
      redis.call('XADD', prefix .. 'outbox', '*', 'type', 'scenario.' .. found.status, 'scenario_id', scenario_id,
        'name', found.name or '', 'tenant', found.tenant or '', 'at', now)
    end
    -- The task that this scenario is the work of.
    if found.parent then redis.call('XADD', prefix .. 'task-events', '*', 'task_id', found.parent, 'status', 'look') end
  end
end
