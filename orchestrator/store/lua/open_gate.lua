-- open_gate: a task that waits for people begins to wait. No worker holds it; a vote or the deadline ends it.
--
-- KEYS  1 gate         hash     gate:<task id>
--       2 task         hash     task:<task id>
--       3 gates        zset     open gates; score = when they opened, ms
--       4 timers       zset     what is due later
--       5 events       stream   task-events
--       6 audit        list     audit:<task id>
-- ARGV  1 prefix       string   key prefix of the partition
--       2 task_id      string
--       3 nonce        string   random, never used before; makes the token
--       4 facts        string   JSON: what the template says of the gate, and who submitted the scenario
--       5 draft        string   JSON: the value to begin with
--       6 wait_ms      integer  until the deadline, milliseconds; 0: there is none
--       7 error        string   JSON: why the gate cannot be opened and its task fails; empty: it opens
-- Returns  one of
--          OPENED
--          FAILED      it could not be opened; the task was reported as failed
--          NOT_READY   the task is not there, waits for others or the clock, or is held already
-- Repeat   NOT_READY; nothing changes.
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, gate
local gate, task, gates, timers, events, audit = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local prefix, task_id, nonce, facts, draft = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local wait_ms, error = whole(ARGV[6], 'wait_ms'), ARGV[7]

check(#nonce > 0 and #draft > 0 and is_object(facts) and (error == '' or is_object(error)), 'a gate')
local at_ms = now_ms()
local now = iso(at_ms)
read_gate(gate, task, gates, timers, events, audit)
local v = redis.call('HMGET', task, 'status', 'queue', 'token', 'attempt', 'scenario_id', 'name')
local delayed = redis.call('ZSCORE', timers, 'start:' .. task_id)
local ready = v[1] == 'pending' and tonumber(v[2] or '') == 0 and (v[3] or '') == '' and not delayed
local answer, attempt = 'NOT_READY', (tonumber(v[4] or '') or 0) + 1
local token = attempt .. '.' .. nonce .. '.1'
if ready then
  move_count(counts_of(prefix, v[5]), 'pending', 'processing')
  answer = error == '' and 'OPENED' or 'FAILED'
end

if ready then
  redis.call('HSET', task, 'status', 'processing', 'worker', 'orchestrator', 'attempt', attempt, 'token', token, 'entry', '',
    'started_at', now, 'updated_at', now)
  write_counts(prefix, now)
end
if answer == 'FAILED' then
  end_gate({gates = gates, timers = timers, events = events}, task_id, token, error, '')
elseif answer == 'OPENED' then
  redis.call('UNLINK', gate)  -- of an earlier run of this task
  redis.call('HSET', gate, 'task_id', task_id, 'scenario_id', v[5], 'name', v[6] or '', 'token', token, 'state', 'open',
    'facts', facts, 'draft', draft, 'value', draft, 'version', 0, 'revision', 0, 'votes', '[]', 'opened_ms', at_ms,
    'opened_at', now, 'deadline_ms', wait_ms > 0 and at_ms + wait_ms or 0, 'deadline', wait_ms > 0 and iso(at_ms + wait_ms) or '')
  redis.call('ZADD', gates, at_ms, task_id)
  redis.call('ZREM', timers, 'gate:' .. task_id)  -- that was to close the earlier one
  if wait_ms > 0 then redis.call('ZADD', timers, at_ms + wait_ms, 'gate:' .. task_id) end
  redis.call('RPUSH', audit, '{"what":"opened","at":"' .. now .. '"}')
end
return answer
