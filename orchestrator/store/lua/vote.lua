-- vote: note what a person decided about an open gate; the vote that decides it ends its task.
--
-- What the vote means was worked out by the caller from the gate as it read it: `version` says that nobody voted since.
--
-- KEYS  1 gate      hash     gate:<task id>
--       2 task      hash     task:<task id>
--       3 gates     zset     open gates
--       4 timers    zset     what is due later
--       5 events    stream   task-events
--       6 audit     list     audit:<task id>
-- ARGV  1 task_id   string
--       2 version   integer  how many votes the caller has seen
--       3 vote      string   JSON object: the vote, without its time
--       4 note      string   JSON object: what the audit says of it, without its time
--       5 votes     string   JSON list of the earlier votes that still count
--       6 value     string   JSON: the new value, when the vote changes it; else empty
--       7 state     string   open, or what the gate becomes
--       8 outcome   string   JSON object: the decision, without time and votes; empty when none is reached
--       9 error     string   JSON object: the error of the task, when the decision fails it; else empty
--      10 link      string   nonce of the one-time link that was used; else empty
--      11 until_ms  integer  when that link ends; else 0
-- Returns  one of
--          VOTED
--          CHANGED       somebody voted since the caller looked: look again; nothing was done
--          CLOSED        the gate is not open; nothing was done
--          LATE          its deadline has come; nothing was done
--          LINK_USED     nothing was done
--          LINK_ENDED    nothing was done
-- Repeat   CHANGED or CLOSED; nothing changes.
-- Cost     O(size of the votes)
-- Flags    allow-oom
-- Uses     check, clock, iso, gate
local gate, task, gates, timers, events, audit = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local task_id, version, vote, note, votes, value = ARGV[1], whole(ARGV[2], 'version'), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local state, outcome, error, link, until_ms = ARGV[7], ARGV[8], ARGV[9], ARGV[10], whole(ARGV[11], 'until_ms')

check(is_object(vote) and is_object(note) and string.find(votes, '^%[.*%]$'), 'a vote')
check((state == 'open') == (outcome == '') and (outcome == '' or is_object(outcome)), 'an outcome')
check(error == '' or (is_object(error) and outcome ~= ''), 'an error')
local at_ms = now_ms()
local now = iso(at_ms)
local found = read_gate(gate, task, gates, timers, events, audit)
if not found.open then return 'CLOSED' end
if found.deadline_ms > 0 and found.deadline_ms <= at_ms then return 'LATE' end
if link ~= '' and redis.call('HEXISTS', gate, 'used:' .. link) == 1 then return 'LINK_USED' end
if link ~= '' and until_ms <= at_ms then return 'LINK_ENDED' end
if tonumber(found.version) ~= version then return 'CHANGED' end

vote = with_member(vote, 'at', '"' .. now .. '"')
votes = votes == '[]' and '[' .. vote .. ']' or string.sub(votes, 1, -2) .. ',' .. vote .. ']'
if outcome ~= '' then
  outcome = with_member(with_member(outcome, 'at', '"' .. now .. '"'), 'votes', votes)
  end_gate({gates = gates, timers = timers, events = events}, task_id, found.token, error, outcome)
end
redis.call('HSET', gate, 'state', state, 'version', version + 1, 'votes', votes, 'outcome', outcome)
if value ~= '' then redis.call('HSET', gate, 'value', value, 'revision', version + 1) end
if link ~= '' then redis.call('HSET', gate, 'used:' .. link, now) end
redis.call('RPUSH', audit, with_member(note, 'at', '"' .. now .. '"'))
return 'VOTED'
