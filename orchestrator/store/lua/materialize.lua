-- materialize: create a chunk of a scenario's tasks and dispatch those that wait for nothing.
--
-- Tasks come in writing order, every task after its consumers. So a dispatched task finds all that depends on it,
-- a chunk may start before the next is written, and a crash between chunks leaves nothing half-linked.
--
-- KEYS  1 scenarios    stream   generated scenarios
--       2 scenario     hash     scenario:<id>
--       3 services     set      services that ever got a task
-- ARGV  1 prefix       string   key prefix of the partition
--       2 group        string   consumer group of the orchestrator
--       3 scenario_id  string
--       4 entry_id     string   entry in `scenarios`; removed with the last chunk
--       5 offset       integer  how many tasks stand before this chunk
--       6 nonce        string   random, never used before; makes the tokens
--       7 tasks        string   JSON list, per task a list of strings: id, service, queue (in-degree), consumers (JSON
--                               list), policy (JSON object, or empty), then fields and values
-- Returns  one of
--          OK, materialized, total   tasks written so far, of how many
--          AT, materialized, total   the chunk does not start there (written before); go on from this offset
--          CONFLICT, task id         the id exists under another scenario; nothing was done
--          MISSING                   there is no such scenario (purged), or it is final; the entry was removed
--          CANCELLED                 it is being cancelled: the rest of its tasks will never be; the entry was removed
-- Repeat   AT, or OK when all are written; nothing changes.
-- Cost     O(tasks in the chunk)
-- Uses     check, clock, iso
local scenarios, scenario, services = KEYS[1], KEYS[2], KEYS[3]
local prefix, group, scenario_id, entry_id = ARGV[1], ARGV[2], ARGV[3], stream_id(ARGV[4])
local offset, nonce, tasks = whole(ARGV[5], 'offset'), ARGV[6], ARGV[7]
local keys, queues, conflict = {}, {}, nil

check(#nonce > 0, 'nonce')
redis.call('XLEN', scenarios)
redis.call('SCARD', services)
local state = redis.call('HMGET', scenario, 'status', 'materialized', 'total', 'created_ms', 'created_at', 'cancel')
local status, done, total = state[1], tonumber(state[2] or 0), tonumber(state[3] or 0)

-- All is strings, so nothing of what a user wrote is read as JSON here but our own two lists.
local readable, list = pcall(cjson.decode, tasks)
check(readable and type(list) == 'table' and #list <= 1000, 'a list of at most 1000 tasks')
for k, task in ipairs(list) do
  check(type(task) == 'table' and #task >= 5 and #task % 2 == 1 and #task < 4000, 'a task')
  for _, text in ipairs(task) do check(type(text) == 'string', 'text') end
  whole(task[3], 'queue')
  keys[k] = prefix .. 'task:' .. task[1]
  local service = task[2]
  if not queues[service] then
    queues[service] = prefix .. 'queue:' .. service
    redis.call('XLEN', queues[service])
  end
end

-- Ids are made to be unique, so the owners are only asked for when one of them is taken.
if #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0 then
  for k, key in ipairs(keys) do
    local owner = redis.call('HGET', key, 'scenario_id')
    if owner and owner ~= scenario_id then conflict = list[k][1] end
  end
end

for _, word in ipairs({'pending', 'processing'}) do redis.call('ZCARD', prefix .. 'index:' .. word) end
local now = iso(now_ms())

local function leave_inbox()
  redis.call('XACK', scenarios, group, entry_id)
  redis.call('XDEL', scenarios, entry_id)
end

if status ~= 'pending' and status ~= 'processing' then
  leave_inbox()
  return {'MISSING'}
end
if state[6] then
  leave_inbox()
  return {'CANCELLED'}
end
if done == total then
  leave_inbox()
  return {'OK', done, total}
end
if offset ~= done then return {'AT', done, total} end
if conflict then return {'CONFLICT', conflict} end
check(done + #list <= total, 'more tasks than the scenario has')

for k, task in ipairs(list) do
  local key, id, service, queue = keys[k], task[1], task[2], task[3]
  redis.call('HSET', key, 'id', id, 'scenario_id', scenario_id, 'service', service, 'status', 'pending', 'queue', queue,
    'consumers', task[4], 'created_at', state[5], 'updated_at', now, 'result_ref', '', unpack(task, 6))
  if task[5] ~= '' then redis.call('HSET', key, 'policy', task[5]) end
  if tonumber(queue) == 0 then
    local token = '1.' .. nonce .. '.' .. k
    local entry = redis.call('XADD', queues[service], '*', 'id', id, 'scenario_id', scenario_id, 'attempt', '1', 'token', token,
      unpack(task, 6))
    redis.call('HSET', key, 'attempt', '1', 'token', token, 'entry', entry)
  end
end
for service in pairs(queues) do redis.call('SADD', services, service) end
redis.call('HSET', scenario, 'materialized', done + #list, 'status', 'processing', 'updated_at', now)
if status == 'pending' then
  redis.call('ZREM', prefix .. 'index:pending', scenario_id)
  redis.call('ZADD', prefix .. 'index:processing', state[4], scenario_id)
end
if done + #list == total then leave_inbox() end
return {'OK', done + #list, total}
