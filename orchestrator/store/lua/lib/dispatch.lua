-- dispatch: make the entry of a ready task from its hash. Only what the template gave travels to the worker.
-- Needs the fragments rules, counts and flow.
local KEPT = {
  status = true, scenario_id = true, service = true, queue = true, consumers = true, token = true, entry = true, worker = true,
  attempt = true, rules = true, got = true, group = true, ready_ms = true,
  flow_places = true, flow_score = true,
}
local NOT_SENT = {
  id = true, created_at = true, updated_at = true, result_ref = true, result = true, error = true, started_at = true,
  finished_at = true, released = true, progress = true, message = true, policy = true, error_type = true, failures = true,
  on_ready = true, fingerprint = true, origin = true, child_scenario_id = true, delayed = true, lost = true,
}
local OURS = 'orchestrator'
local known_queues = {}

-- A task: what the engine keeps of it by name, and its template fields as a flat list `fields` of `n` strings. Reads, so
-- it belongs before the first write. The tables are made large enough at once: growing them costs more than reading, so
-- the names here are those that most tasks get, and at most 16.
local function read_task(key)
  local all, n = redis.call('HGETALL', key), 0
  local fields = {false, false, false, false, false, false, false, false, false, false, false, false}
  local task = {key = key, status = false, scenario_id = false, service = false, queue = false, consumers = false, token = false,
    entry = false, rules = false, fields = fields, n = 0, id = false, counted = false, aside = false, released = false, set = false}
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

-- The queue of a service, checked to be a stream; before the first write.
local function queue_of(prefix, service)
  local queue = known_queues[service]
  if not queue then
    queue = prefix .. 'queue:' .. service
    redis.call('XLEN', queue)
    known_queues[service] = queue
  end
  return queue
end

-- Find out where a task will go that is to be handed out, and where it leaves from. Before the first write.
local function plan_dispatch(prefix, task)
  if task.service == OURS then redis.call('XLEN', prefix .. 'task-events') end
  queue_of(prefix, task.service)
  plan_exit(prefix, task)
  task.aside = aside_of(prefix, task)
end

-- Since when a task waits that is to be handed out from where it waited; nil when nobody asks. Reads.
local function since_of(task)
  local timeouts = rules_of(task).timeouts
  return timeouts and timeouts.queue_ms and redis.call('HGET', task.key, 'updated_at') or nil
end

-- When to look whether the task is overdue: as soon as it can be. `overdue` looks at what really happened.
local function watch(timers, task, timeouts, at_ms)
  local ready_ms = tonumber(task.ready_ms) or at_ms
  local soonest = math.min(timeouts.queue_ms or math.huge, timeouts.run_ms or math.huge, timeouts.heartbeat_ms or math.huge)
  local first = math.min(at_ms + soonest, ready_ms + (timeouts.total_ms or math.huge))
  if not task.ready_ms then redis.call('HSET', task.key, 'ready_ms', at_ms) end
  redis.call('ZADD', timers, 'LT', string.format('%d', first), 'overdue:' .. task.id)
end

-- Hand a task out as its next attempt, or let it wait for that where `plan_dispatch` said: `mark` and the number of the
-- attempt make its token. What no worker does is looked at by the engine instead; `timers` is the key of that name.
-- One that has waited somewhere keeps the moment since which it waits for this attempt: `since_of`.
local function dispatch(timers, task, mark, now, at_ms)
  write_exits(at_ms)
  if task.aside then
    redis.call('HSET', task.key, 'queue', '0', 'updated_at', task.since or now)
    put_aside(task, at_ms)
  elseif task.service == OURS then
    redis.call('HSET', task.key, 'queue', '0', 'updated_at', now)
    redis.call('XADD', string.sub(timers, 1, -7) .. 'task-events', '*', 'task_id', task.id, 'status', 'look')
  else
    local attempt = task.attempt and task.attempt ~= '' and task.attempt + 1 or '1'
    local token = attempt .. '.' .. mark
    local entry = redis.call('XADD', known_queues[task.service], '*', 'id', task.id, 'scenario_id', task.scenario_id,
      'attempt', attempt, 'token', token, unpack(task.fields, task.first or 1, task.n))
    redis.call('HSET', task.key, 'queue', '0', 'attempt', attempt, 'token', token, 'entry', entry, 'updated_at', task.since or now)
  end
  local timeouts = rules_of(task).timeouts
  if timeouts then watch(timers, task, timeouts, at_ms) end
end
