-- materialize: create a chunk of a scenario's tasks and dispatch those that wait for nothing.
--
-- Tasks come in writing order, every task after its consumers. So a dispatched task finds all that depends on it,
-- a chunk may start before the next is written, and a crash between chunks leaves nothing half-linked.
--
-- KEYS  1 scenarios    stream   generated scenarios
--       2 scenario     hash     scenario:<id>
--       3 services     set      services that ever got a task
--       4 events       stream   task-events
--       5 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 group        string   consumer group of the orchestrator
--       3 scenario_id  string
--       4 entry_id     string   entry in `scenarios`; removed with the last chunk
--       5 offset       integer  how many tasks stand before this chunk
--       6 nonce        string   random, never used before; makes the tokens
--       7 tasks        string   JSON list; see the fragment create
--       8 retention    string   how long a finished scenario is kept; see the fragment retention
-- Returns  one of
--          OK, materialized, total, timers of flow that are due   tasks written so far, of how many
--          AT, materialized, total   the chunk does not start there (written before); go on from this offset
--          CONFLICT, task id         the id exists under another scenario; nothing was done
--          MISSING                   there is no such scenario (purged), or it is final; the entry was removed
--          CANCELLED                 it is being cancelled: the rest of its tasks will never be; the entry was removed
-- Repeat   AT, or OK when all are written; nothing changes.
-- Cost     O(tasks in the chunk)
-- Uses     check, clock, iso, counts, rules, flow, dispatch, create, accounts, finish_scenarios, retention
local scenarios, scenario, services, events, timers = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local prefix, group, scenario_id, entry_id = ARGV[1], ARGV[2], ARGV[3], stream_id(ARGV[4])
local offset, nonce, tasks, retention = whole(ARGV[5], 'offset'), ARGV[6], ARGV[7], retention_of(ARGV[8])

check(#nonce > 0, 'nonce')
redis.call('XLEN', scenarios)
redis.call('SCARD', services)
redis.call('XLEN', events)
redis.call('ZCARD', timers)
local state = redis.call('HMGET', scenario, 'status', 'materialized', 'total', 'created_ms', 'created_at', 'cancel', 'spawned')
-- Children that tasks have already got were not submitted.
local status, done, total = state[1], tonumber(state[2] or 0), tonumber(state[3] or 0) - tonumber(state[7] or 0)
local list, keys = new_tasks(prefix, scenario_id, pcall(cjson.decode, tasks))
local conflict = conflict_of(list, keys, scenario_id)
local found = counts_of(prefix, scenario_id)
for _, word in ipairs({'pending', 'processing'}) do redis.call('ZCARD', prefix .. 'index:' .. word) end
local at_ms = now_ms()
local now = iso(at_ms)

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

-- All that is not copied may have ended before the last copies are written.
for _, task in ipairs(list) do
  if rules_of(task).copied then move_count(found, 'pending', 'success') end
end
found.was = 'processing'
local finished = decide_finished(prefix)

create(events, timers, services, list, nonce, state[5], now, at_ms)
write_counts(prefix, now)
redis.call('HSET', scenario, 'materialized', done + #list, 'status', 'processing', 'updated_at', now)
if status == 'pending' then
  redis.call('ZREM', prefix .. 'index:pending', scenario_id)
  redis.call('ZADD', prefix .. 'index:processing', state[4], scenario_id)
end
write_finished(prefix, timers, finished, now, at_ms, retention)
if done + #list == total then leave_inbox() end
return {'OK', done + #list, total, unpack(touched)}
