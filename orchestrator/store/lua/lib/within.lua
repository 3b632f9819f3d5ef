-- within: the pause of a scenario reaches the scenarios that its tasks are. What is paused so says whose pause it is, as the
-- first member of `paused`, and goes on with it; what somebody paused by itself does not say so, and is left alone.
-- A scenario with the field `within` has paused some. A timer `pause:` has the engine look after the tasks of one that became
-- paused, and after what is within it.

-- Whether a pause came from above.
local function is_handed_down(paused)
  return paused and string.find(paused, '^{"scenario_id":"') ~= nil
end

-- The pause of a scenario as those within it have it: it names the scenario that somebody paused.
local function handed_down(scenario_id, paused)
  return is_handed_down(paused) and paused or '{"scenario_id":"' .. scenario_id .. '",' .. string.sub(paused, 2)
end

-- Whom a pause from above reaches that lives again: the scenario itself and what it is within, up to the one that is paused;
-- per scenario its id and that of the one above. And the pause. Nil when nobody above waits for it, or none is paused.
local function paused_above(prefix, scenario_id, parent)
  local chain = {}
  while parent and parent ~= '' and #chain < 10 do  -- they are nested less deep
    local task = redis.call('HMGET', prefix .. 'task:' .. parent, 'scenario_id', 'status', 'child_scenario_id')
    local waits = task[2] == 'pending' or task[2] == 'processing' or task[2] == 'failed'
    if not waits or task[3] ~= scenario_id then return nil end
    local above = redis.call('HMGET', prefix .. 'scenario:' .. task[1], 'paused', 'cancel', 'parent')
    if above[2] then return nil end
    chain[#chain + 1] = {scenario_id, task[1]}
    if above[1] then return chain, handed_down(task[1], above[1]) end
    scenario_id, parent = task[1], above[3]
  end
  return nil
end

-- Write that a scenario is paused by the one above it; `timers` is the key of that name.
local function pause_within(prefix, timers, scenario_id, above, paused, now, at_ms)
  redis.call('HSET', prefix .. 'scenario:' .. scenario_id, 'paused', paused, 'updated_at', now)
  redis.call('HDEL', prefix .. 'scenario:' .. scenario_id, 'resume_at')
  redis.call('HSET', prefix .. 'scenario:' .. above, 'within', 1)
  redis.call('ZREM', timers, 'resume:' .. scenario_id)
  redis.call('ZADD', timers, at_ms, 'pause:' .. scenario_id)
end
