-- ledger: the tasks of a call, read once, changed in memory, written once. Needs the fragments rules, dispatch and counts.
local ledger, changed = {}, {}
local FINAL = {success = true, failed = true, skipped = true, cancelled = true}

-- A task that a report is about, or false. What only some reports need is read by `detail`.
local function task_of(prefix, id)
  local task = ledger[id]
  if task == nil then
    local key = prefix .. 'task:' .. id
    local v = redis.call('HMGET', key, 'status', 'token', 'scenario_id', 'consumers', 'worker', 'rules', 'flow_places')
    task = v[1] and {id = id, key = key, status = v[1], token = v[2], scenario_id = v[3], consumers = v[4], worker = v[5] or '',
      rules = v[6], flow_places = v[7]}
    ledger[id] = task
  end
  return task
end

local function detail(task)
  if not task.entry then
    local v = redis.call('HMGET', task.key, 'queue', 'service', 'entry', 'started_at', 'released', 'got', 'group', 'attempt')
    task.queue, task.service, task.entry, task.started_at, task.released = tonumber(v[1]), v[2], v[3] or '', v[4] or '', v[5] or ''
    task.got, task.group, task.attempt = v[6], v[7], v[8]
  end
end

-- A task with its template fields, or false: one that may be dispatched.
local function whole_task_of(prefix, id)
  local task = ledger[id]
  if task and not task.fields then
    detail(task)
    local all = read_task(task.key)
    task.fields, task.n, task.ready_ms = all.fields, all.n, all.ready_ms
  elseif task == nil then
    task = read_task(prefix .. 'task:' .. id)
    if task.status then
      task.id, task.queue, task.entry = id, tonumber(task.queue), task.entry or ''
    else
      task = false
    end
    ledger[id] = task
  end
  return task
end

local function set(task, name, value)
  local pairs_of = task.set
  if pairs_of then
    local n = #pairs_of
    pairs_of[n + 1], pairs_of[n + 2] = name, value
  else
    changed[#changed + 1] = task
    task.set = {name, value}
  end
end

local function check_tasks()
  for _, task in ipairs(changed) do check(#task.set < 7000, 'fewer reports about one task') end
end

local function write_tasks()
  for _, task in ipairs(changed) do redis.call('HSET', task.key, unpack(task.set)) end
end
