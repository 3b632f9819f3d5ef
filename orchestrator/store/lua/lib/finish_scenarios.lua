-- finish_scenarios: end the scenarios of `counts` whose tasks are all final. Needs the fragment counts.

local function end_of(found)
  if found.cancel then return 'cancelled' end
  if found.failed > found.tolerated then return 'failed' end
  return found.cancelled > 0 and 'cancelled' or 'success'
end

-- Decide which scenarios end, and check what ending them will touch. Reads only.
local function decide_finished(prefix)
  local finished = {}
  for scenario_id, found in pairs(counts) do
    local running = found and (found.status == 'pending' or found.status == 'processing')
    if running and found.pending == 0 and found.processing == 0 then
      found.status = end_of(found)
      redis.call('ZCARD', prefix .. 'index:' .. found.was)
      redis.call('ZCARD', prefix .. 'index:' .. found.status)
      found.parent = redis.call('HGET', prefix .. 'scenario:' .. scenario_id, 'parent')
      if found.parent then redis.call('XLEN', prefix .. 'task-events') end
      finished[#finished + 1] = scenario_id
    end
  end
  table.sort(finished)
  return finished
end

-- Write the ends: status, index, and the timer that will purge the scenario.
local function write_finished(prefix, timers, finished, now, purge_at_ms)
  for _, scenario_id in ipairs(finished) do
    local found = counts[scenario_id]
    redis.call('HSET', prefix .. 'scenario:' .. scenario_id, 'status', found.status, 'finished_at', now)
    redis.call('ZREM', prefix .. 'index:' .. found.was, scenario_id)
    redis.call('ZADD', prefix .. 'index:' .. found.status, found.created_ms, scenario_id)
    redis.call('ZADD', timers, purge_at_ms, 'purge:' .. scenario_id)
    -- The task that this scenario is the work of.
    if found.parent then redis.call('XADD', prefix .. 'task-events', '*', 'task_id', found.parent, 'status', 'look') end
  end
end
