-- spawn: add a chunk of tasks to a running scenario, children of one that waits for all of them.
--
-- The parent waits from the first chunk on for as many as there will be, so early ends cannot miss a later child. The
-- entry that asked for it is removed by the caller after the last chunk; until then it brings it back after a crash.
--
-- KEYS  1 scenario     hash     scenario:<id>
--       2 services     set      services that ever got a task
--       3 events       stream   task-events
--       4 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 workers      string   consumer group of the workers
--       3 scenario_id  string
--       4 parent       string   task id
--       5 token        string   the parent's token at the first chunk; empty when no worker had it
--       6 nonce        string   random, never used before; makes the tokens
--       7 offset       integer  how many children stand before this chunk
--       8 total        integer  how many there will be
--       9 limit        integer  most tasks of a scenario
--      10 tasks        string   JSON list; see the fragment create
--      11 ... fields   fields and values to set on the parent with the first chunk
-- Returns  one of
--          OK, written, timers of flow that are due   children written so far
--          AT, written        the chunk does not start there; go on from this offset
--          CONFLICT, task id  the id exists under another scenario; nothing was done
--          TOO_MANY           the scenario would have more than `limit` tasks; nothing was done
--          STALE              the parent does not wait for this: it ended, or has another token; nothing was done
-- Repeat   AT, or STALE; nothing changes.
-- Cost     O(children in the chunk)
-- Uses     check, clock, iso, counts, rules, flow, dispatch, create, task_ids
local scenario, services, events, timers = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, workers, scenario_id, parent, token, nonce = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local offset, total, limit, tasks = whole(ARGV[7], 'offset'), whole(ARGV[8], 'total'), whole(ARGV[9], 'limit'), ARGV[10]

check(#nonce > 0 and total > 0 and #ARGV % 2 == 0 and #ARGV < 4000, 'numbers')
redis.call('XLEN', events)
redis.call('ZCARD', timers)
redis.call('SCARD', services)
local parent_key = prefix .. 'task:' .. parent
local v = redis.call('HMGET', parent_key, 'status', 'token', 'group', 'scenario_id', 'service', 'entry', 'queue', 'flow_places',
  'rules')
local status, group_at = v[1], v[3] or ''
local found = counts_of(prefix, scenario_id)
local state, place = redis.call('HMGET', scenario, 'total', 'created_at'), last_piece(scenario)
local list, keys = new_tasks(prefix, scenario_id, pcall(cjson.decode, tasks))
local conflict = conflict_of(list, keys, scenario_id)
check(#list > 0 and offset + #list <= total, 'as many tasks as it says')
local queue = v[5] and queue_of(prefix, v[5])
local at_ms = now_ms()
local now = iso(at_ms)

local written, whole_group, asked_by = string.match(group_at, '^(%d+) (%d+) (%S*)$')
written = tonumber(written or 0)
local waits = written > 0 and written < total and tonumber(whole_group) == total and asked_by == token
local fresh = group_at == '' and (v[2] or '') == token and (token ~= '' or v[7] == '0')
local running = status == 'pending' or status == 'processing'
local over = not found or found.cancel and not rules_of({rules = v[9]}).finally
if over or not running or v[4] ~= scenario_id or not (waits or fresh) then
  return {'STALE'}
end
if offset ~= written then return {'AT', written} end
if conflict then return {'CONFLICT', conflict} end
if offset == 0 and tonumber(state[1]) + total > limit then return {'TOO_MANY'} end

if fresh then
  plan_exit(prefix, {id = parent, flow_places = v[8]})  -- its children may need the slot
  write_exits(at_ms)
  if status == 'processing' then move_count(found, 'processing', 'pending') end
  redis.call('HSET', parent_key, 'status', 'pending', 'queue', total, 'token', '', 'entry', '', 'updated_at', now)
  redis.call('HDEL', parent_key, 'got')  -- from now on it counts children
  if #ARGV > 10 then redis.call('HSET', parent_key, unpack(ARGV, 11)) end
  if (v[6] or '') ~= '' then
    redis.call('XACK', queue, workers, v[6])
    redis.call('XDEL', queue, v[6])
  end
end
create(events, timers, services, list, nonce, state[2], now, at_ms)
local ids = {}
for k, task in ipairs(list) do ids[k] = '"' .. task.id .. '"' end
redis.call('HINCRBY', scenario, 'spawned', #list)
redis.call('HSET', scenario, 'total', state[1] + #list)
add_ids(scenario, place, table.concat(ids, ','))
found.pending = found.pending + #list
found.changed = found.changed or {}
found.changed.pending = true
write_counts(prefix, now)
redis.call('HSET', parent_key, 'group', written + #list .. ' ' .. total .. ' ' .. token)
return {'OK', written + #list, unpack(touched)}
