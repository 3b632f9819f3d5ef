-- close_gate: end a gate without a vote: its deadline has come, or its task ended in another way.
--
-- KEYS  1 gate      hash     gate:<task id>
--       2 task      hash     task:<task id>
--       3 gates     zset     open gates
--       4 timers    zset     what is due later
--       5 events    stream   task-events
--       6 audit     list     audit:<task id>
-- ARGV  1 task_id   string
--       2 version   integer  how many votes the caller has seen
--       3 note      string   JSON object: what the audit says of the deadline, without its time
--       4 votes     string   JSON list of the votes that count
--       5 state     string   what the gate becomes at its deadline
--       6 outcome   string   JSON object: the decision at the deadline, without time and votes
--       7 error     string   JSON object: the error of the task, when that fails it; else empty
-- Returns  one of
--          ENDED     its deadline had come: the task was reported
--          CLOSED    its task had ended in another way
--          REMOVED   it is not open; at most its timer was removed
--          CHANGED   somebody voted since the caller looked: look again; nothing was done
--          NOT_DUE   it waits on; nothing was done
-- Repeat   REMOVED; nothing changes.
-- Cost     O(size of the votes)
-- Flags    allow-oom
-- Uses     check, clock, iso, gate
local gate, task, gates, timers, events, audit = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local task_id, version, note, votes = ARGV[1], whole(ARGV[2], 'version'), ARGV[3], ARGV[4]
local state, outcome, error = ARGV[5], ARGV[6], ARGV[7]

check(is_object(note) and string.find(votes, '^%[.*%]$') and #state > 0 and state ~= 'open', 'an end')
check(is_object(outcome) and (error == '' or is_object(error)), 'an outcome')
local at_ms = now_ms()
local now = iso(at_ms)
local found = read_gate(gate, task, gates, timers, events, audit)
if found.state ~= 'open' then
  redis.call('ZREM', gates, task_id)
  redis.call('ZREM', timers, 'gate:' .. task_id)
  return 'REMOVED'
end
if not found.open then
  redis.call('ZREM', gates, task_id)
  redis.call('ZREM', timers, 'gate:' .. task_id)
  redis.call('HSET', gate, 'state', 'closed')
  redis.call('RPUSH', audit, '{"what":"closed","at":"' .. now .. '"}')
  return 'CLOSED'
end
if found.deadline_ms == 0 or found.deadline_ms > at_ms then return 'NOT_DUE' end
if tonumber(found.version) ~= version then return 'CHANGED' end

outcome = with_member(with_member(outcome, 'at', '"' .. now .. '"'), 'votes', votes)
end_gate({gates = gates, timers = timers, events = events}, task_id, found.token, error, outcome)
redis.call('HSET', gate, 'state', state, 'version', version + 1, 'outcome', outcome)
redis.call('RPUSH', audit, with_member(note, 'at', '"' .. now .. '"'))
return 'ENDED'
