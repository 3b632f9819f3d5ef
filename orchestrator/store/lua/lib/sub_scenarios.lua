-- sub_scenarios: a task that the orchestrator holds takes with it what it waits for when it ends before that: the scenario
-- that it started, the gate that it opened.
local orphaned, shut = {}, {}

-- Remember what a held task waits for. Returns whether it is a scenario, which is still to be ended. Reads only.
local function orphan(prefix, id)
  local child = redis.call('HGET', prefix .. 'task:' .. id, 'child_scenario_id')
  if child and child ~= '' then
    local status = redis.call('HGET', prefix .. 'scenario:' .. child, 'status')
    if status ~= 'pending' and status ~= 'processing' then return false end
    orphaned[#orphaned + 1] = child
    return true
  elseif redis.call('EXISTS', prefix .. 'gate:' .. id) == 1 then
    shut[#shut + 1] = id
  end
  return false
end

-- Let the engine cancel the scenarios and close the gates, at once.
local function write_orphans(prefix, timers, at_ms)
  for _, child in ipairs(orphaned) do
    redis.call('HSETNX', prefix .. 'scenario:' .. child, 'cancel',
      '{"type":"cancelled","message":"the task that this scenario is the work of ended"}')
    redis.call('ZADD', timers, at_ms, 'cancel:' .. child)
  end
  for _, id in ipairs(shut) do redis.call('ZADD', timers, at_ms, 'gate:' .. id) end
end
