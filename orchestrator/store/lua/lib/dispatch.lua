-- dispatch: make the entry of a ready task from its hash. Only what the template gave travels to the worker.
local ENGINE_FIELDS = {
  id = true, scenario_id = true, service = true, status = true, queue = true, consumers = true, created_at = true,
  updated_at = true, result_ref = true, result = true, error = true, attempt = true, token = true, entry = true,
  worker = true, started_at = true, finished_at = true, released = true, progress = true, message = true, lost = true,
}

-- What the engine knows of a task, by name, and its template fields as a flat list. Reads, so it belongs before the
-- first write.
local function split_task(prefix, id)
  local all = redis.call('HGETALL', prefix .. 'task:' .. id)
  local known, fields, n = {}, {}, 0
  for i = 1, #all, 2 do
    local name = all[i]
    if ENGINE_FIELDS[name] then
      known[name] = all[i + 1]
    else
      fields[n + 1], fields[n + 2] = name, all[i + 1]
      n = n + 2
    end
  end
  return known, fields
end

-- Append the entry of a task to its queue; returns the id of the entry.
local function dispatch(prefix, service, id, scenario_id, attempt, token, fields)
  return redis.call('XADD', prefix .. 'queue:' .. service, '*', 'id', id, 'scenario_id', scenario_id,
    'attempt', attempt, 'token', token, unpack(fields))
end
