-- create: new tasks of a scenario from a JSON list, and their first dispatches. Needs the fragments rules, flow and dispatch.
-- Per task a list of strings: id, service, queue (in-degree), consumers (JSON list), policy, rules and on_ready (JSON
-- objects, or empty), then fields and values. All is strings, so nothing of what a user wrote is read as JSON here.
-- A task with the rule `copied` succeeded in another scenario: its result stands among the fields, and nobody does it again.
-- The list as tasks, checked, and the keys of their hashes. `readable` and `list`: what decoding the JSON gave. Reads only.
local function new_tasks(prefix, scenario_id, readable, list)
  local keys, tasks = {}, {}
  check(readable and type(list) == 'table' and #list <= 1000, 'a list of at most 1000 tasks')
  for k, given in ipairs(list) do
    check(type(given) == 'table' and #given >= 7 and #given % 2 == 1 and #given < 4000, 'a task')
    for i = 1, #given do
      if type(given[i]) ~= 'string' then check(false, 'text') end
    end
    keys[k] = prefix .. 'task:' .. given[1]
    -- Eight names at most: a table grows by doubling. What is handed out gets the others.
    local task = {id = given[1], key = keys[k], scenario_id = scenario_id, service = given[2], queue = whole(given[3], 'queue'),
      rules = given[6] ~= '' and given[6], fields = given}
    tasks[k] = task
    queue_of(prefix, given[2])
    local rules = rules_of(task)
    if task.queue == 0 and not rules.ask and not rules.copied then
      task.first, task.n = 8, #given
      plan_dispatch(prefix, task)
    end
  end
  return tasks, keys
end

-- The id among `tasks` that exists under another scenario, or nil. Ids are made to be unique, so owners are rarely asked for.
local function conflict_of(tasks, keys, scenario_id)
  if #keys == 0 or redis.call('EXISTS', unpack(keys)) == 0 then return nil end
  local conflict = nil
  for k, key in ipairs(keys) do
    local owner = redis.call('HGET', key, 'scenario_id')
    if owner and owner ~= scenario_id then conflict = tasks[k].id end
  end
  return conflict
end

-- Returns how many of them are copies.
local function create(events, timers, services, tasks, nonce, created_at, now, at_ms)
  local named, copies = {}, 0
  for k, task in ipairs(tasks) do
    local given, copied = task.fields, rules_of(task).copied
    redis.call('HSET', task.key, 'id', task.id, 'scenario_id', task.scenario_id, 'service', task.service, 'status',
      copied and 'success' or 'pending', 'queue', given[3], 'consumers', given[4], 'created_at', created_at, 'updated_at', now, 'result_ref', '', unpack(given, 8))
    if given[5] ~= '' then redis.call('HSET', task.key, 'policy', given[5]) end
    if given[6] ~= '' then redis.call('HSET', task.key, 'rules', given[6]) end
    if given[7] ~= '' then redis.call('HSET', task.key, 'on_ready', given[7]) end
    if copied then
      copies = copies + 1
    elseif task.queue == 0 and rules_of(task).ask then
      redis.call('XADD', events, '*', 'task_id', task.id, 'status', 'look')
    elseif task.queue == 0 then
      dispatch(timers, task, nonce .. '.' .. k, now, at_ms)
    end
    if task.service ~= OURS then named[task.service] = true end
  end
  for service in pairs(named) do redis.call('SADD', services, service) end
  return copies
end
