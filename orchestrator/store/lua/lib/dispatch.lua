-- dispatch: make the entry of a ready task from its hash. Only what the template gave travels to the worker.
local KEPT = {
  status = true, scenario_id = true, service = true, queue = true, consumers = true, token = true, entry = true, worker = true,
  attempt = true, lost = true,
}
local NOT_SENT = {
  id = true, created_at = true, updated_at = true, result_ref = true, result = true, error = true, started_at = true,
  finished_at = true, released = true, progress = true, message = true, policy = true, error_type = true, failures = true,
}

-- A task: what the engine keeps of it by name, and its template fields as a flat list `fields` of `n` strings. Reads, so
-- it belongs before the first write. The tables are made large enough at once: growing them costs more than reading.
local function read_task(key)
  local all, n = redis.call('HGETALL', key), 0
  local fields = {false, false, false, false, false, false, false, false, false, false, false, false}
  local task = {key = key, status = false, scenario_id = false, service = false, queue = false, consumers = false, token = false,
    entry = false, worker = '', fields = fields, n = 0, id = false, set = false, counted = false, position = false}
  for i = 1, #all, 2 do
    local name = all[i]
    if KEPT[name] then
      task[name] = all[i + 1]
    elseif not NOT_SENT[name] then
      fields[n + 1], fields[n + 2] = name, all[i + 1]
      n = n + 2
    end
  end
  task.n = n
  return task
end

-- Append the entry of a task to its queue; returns the id of the entry.
local function dispatch(queue, task, attempt, token)
  return redis.call('XADD', queue, '*', 'id', task.id, 'scenario_id', task.scenario_id, 'attempt', attempt, 'token', token,
    unpack(task.fields, 1, task.n))
end
