-- sub_scenarios: a task that is a scenario of its own takes that scenario with it when it ends before it.
local orphaned = {}

-- Remember the scenario that a task of the orchestrator started, if it still runs. Reads only.
local function orphan(prefix, task_key)
  local child = redis.call('HGET', task_key, 'child_scenario_id')
  if not child or child == '' then return end
  local status = redis.call('HGET', prefix .. 'scenario:' .. child, 'status')
  if status == 'pending' or status == 'processing' then orphaned[#orphaned + 1] = child end
end

-- Let the engine cancel them.
local function write_orphans(prefix, timers, at_ms)
  for _, child in ipairs(orphaned) do
    redis.call('HSETNX', prefix .. 'scenario:' .. child, 'cancel',
      '{"type":"cancelled","message":"the task that this scenario is the work of ended"}')
    redis.call('ZADD', timers, at_ms, 'cancel:' .. child)
  end
end
