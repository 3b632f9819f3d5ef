-- transition: a machine goes on to another state. To end what still runs of the state before, and to begin the tasks of the new
-- one, is left to the engine, which is asked to look.
--
-- Where it leads was worked out by the caller from the state as it read it: `visit` says that it did not move since.
--
-- KEYS  1 machine      hash     machine:<scenario>
--       2 scenario     hash     scenario:<id>
--       3 task         hash     the task that carries the states
--       4 history      list     history:<scenario>
--       5 timers       zset     what is due later
--       6 events       stream   task-events
-- ARGV  1 scenario_id  string
--       2 task_id      string
--       3 visit        integer  how many states it was in when the caller looked; 0: it has not begun
--       4 to           string   the next state; empty: the state does not take this event
--       5 clock        integer  1: the time of the state leads there
--       6 wait_ms      integer  until the time of the new state leads on, milliseconds; 0: never
--       7 outcome      string   how the scenario ends with this; empty: it goes on
--       8 event        string   JSON object: what led there, for the tasks
--       9 note         string   JSON object: the same for the history, without its time
--      10 name         string   name of the event
--      11 key          string   fingerprint of the id that the event came with; empty: it has none
--      12 kept         integer  how long the history is at most
-- Returns  one of
--          MOVED
--          REPEATED    the event was taken before under this id; nothing was done
--          CONFLICT    another event was taken under this id; nothing was done
--          REFUSED     the state does not take it; nothing was done
--          CHANGED     it moved since the caller looked: look again; nothing was done
--          NOT_DUE     its time has not come; nothing was done
--          CLOSED      it has ended, or its task does not hold it yet; at most its timer was removed
-- Repeat   REPEATED, CHANGED, REFUSED or CLOSED; nothing changes.
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock, iso, machine
local machine, scenario, task, history, timers, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local scenario_id, task_id, visit, to, clock = ARGV[1], ARGV[2], whole(ARGV[3], 'visit'), ARGV[4], whole(ARGV[5], 'clock')
local wait_ms, outcome, event, note = whole(ARGV[6], 'wait_ms'), ARGV[7], ARGV[8], ARGV[9]
local name, key, kept = ARGV[10], ARGV[11], whole(ARGV[12], 'kept')
local timer = 'state:' .. scenario_id
local ENDS = {[''] = true, success = true, failed = true, cancelled = true}

check(kept > 0 and ENDS[outcome], 'an end')
check(string.find(event, '^{.*}$') and string.find(note, '^{".*}$') and (key == '' or string.match(key, '^%x+$')), 'an event')
local found = read_machine(machine, task)
local known = key ~= '' and redis.call('HGET', machine, 'event:' .. key)
redis.call('HEXISTS', scenario, 'state')
redis.call('ZCARD', timers)
redis.call('XLEN', events)
local oldest = redis.call('LLEN', history) >= kept and redis.call('LINDEX', history, 0)
local at_ms = now_ms()
local now = iso(at_ms)

if known then return known == name and 'REPEATED' or 'CONFLICT' end
if not found.open then
  redis.call('ZREM', timers, timer)
  return 'CLOSED'
end
if found.visit ~= visit then return 'CHANGED' end
if to == '' then return 'REFUSED' end
if clock == 1 and (found.until_ms == 0 or found.until_ms > at_ms) then return 'NOT_DUE' end

redis.call('HSET', machine, 'token', found.token, 'state', to, 'visit', visit + 1, 'since', now, 'event', event, 'outcome', outcome,
  'until_ms', wait_ms > 0 and at_ms + wait_ms or 0, 'written', '')
if key ~= '' then redis.call('HSET', machine, 'event:' .. key, name) end
redis.call('HSET', scenario, 'state', to, 'updated_at', now)
if outcome ~= '' then redis.call('HSET', scenario, 'outcome', outcome) end
if wait_ms > 0 then
  redis.call('ZADD', timers, at_ms + wait_ms, timer)
else
  redis.call('ZREM', timers, timer)
end
redis.call('RPUSH', history, (key == '' and '-' or key) .. ' ' .. string.sub(note, 1, -2) .. ',"at":"' .. now .. '"}')
if oldest then
  redis.call('LTRIM', history, -kept, -1)
  redis.call('HDEL', machine, 'event:' .. string.match(oldest, '^%S+'))
end
redis.call('XADD', events, '*', 'task_id', task_id, 'status', 'look')
return 'MOVED'
