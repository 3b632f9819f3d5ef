-- enter_state: add a chunk of the tasks of the state that a machine is in to its scenario, after all that ran of the states before
-- has ended.
--
-- KEYS  1 machine      hash     machine:<scenario>
--       2 task         hash     the task that carries the states
--       3 scenario     hash     scenario:<id>
--       4 services     set      services that ever got a task
--       5 events       stream   task-events
--       6 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 scenario_id  string
--       3 visit        integer  how many states it was in when the caller looked
--       4 nonce        string   random, never used before; makes the tokens
--       5 offset       integer  how many of its tasks stand before this chunk
--       6 total        integer  how many there will be
--       7 limit        integer  most tasks of a scenario
--       8 ids          string   JSON list: ids of the tasks of this chunk, in the order to show them in
--       9 tasks        string   JSON list; see the fragment create
-- Returns  one of
--          OK, written, timers of flow that are due   tasks written so far
--          AT, written        the chunk does not start there; go on from this offset
--          CONFLICT, task id  the id exists under another scenario; nothing was done
--          TOO_MANY           the scenario would have more than `limit` tasks; nothing was done
--          STALE              the machine has gone on, or has ended; nothing was done
-- Repeat   AT; nothing changes.
-- Cost     O(tasks in the chunk)
-- Uses     check, clock, iso, counts, rules, flow, dispatch, create, machine, task_ids
local machine, task, scenario, services, events, timers = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local prefix, scenario_id, visit, nonce, offset = ARGV[1], ARGV[2], whole(ARGV[3], 'visit'), ARGV[4], whole(ARGV[5], 'offset')
local total, limit, ids, tasks = whole(ARGV[6], 'total'), whole(ARGV[7], 'limit'), ARGV[8], ARGV[9]

check(#nonce > 0 and string.find(ids, '^%[".+"%]$'), 'ids')
redis.call('XLEN', events)
redis.call('ZCARD', timers)
redis.call('SCARD', services)
local at = read_machine(machine, task)
local found = counts_of(prefix, scenario_id)
local made, place = redis.call('HGET', scenario, 'total'), last_piece(scenario)
local list, keys = new_tasks(prefix, scenario_id, pcall(cjson.decode, tasks))
local conflict = conflict_of(list, keys, scenario_id)
local at_ms = now_ms()
local now = iso(at_ms)

check(#list > 0 and offset + #list <= total and select(2, string.gsub(ids, '"', '')) == 2 * #list, 'as many tasks as it says')
local running = found and not found.cancel and (found.status == 'pending' or found.status == 'processing')
if not running or not at.open or at.visit ~= visit then return {'STALE'} end
if offset ~= (at.written or 0) then return {'AT', at.written or 0} end
if conflict then return {'CONFLICT', conflict} end
if offset == 0 and made + total > limit then return {'TOO_MANY'} end

create(events, timers, services, list, nonce, now, now, at_ms)
redis.call('HINCRBY', scenario, 'spawned', #list)
redis.call('HSET', scenario, 'total', made + #list)
add_ids(scenario, place, string.sub(ids, 2, -2))
found.pending = found.pending + #list
found.changed = found.changed or {}
found.changed.pending = true
write_counts(prefix, now)
-- What is left of this state when it is left stands from `first` on.
if offset == 0 then redis.call('HSET', machine, 'first', made, 'entered', visit) end
redis.call('HSET', machine, 'written', offset + #list)
return {'OK', offset + #list, unpack(touched)}
