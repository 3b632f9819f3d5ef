-- end_fire: a fire of a schedule is over; write down what became of it and set the timer for the next one.
--
-- KEYS  1 schedule      hash     schedule:<id>
--       2 timers        zset     what is due later
--       3 fires         list     fires:<id>, what became of the last fires, newest first
-- ARGV  1 schedule_id   string
--       2 outcome       string   started, failed or refused: of a fire that begin_fire began; skipped or missed: of one that never
--                                began. Refused, one in turn stays the next one; it is written down once
--       3 scenario_id   string   what began; empty for the other outcomes
--       4 from_ms       string   time of the next fire as it was read; empty: a fire that somebody asked for
--       5 then_ms       string   time of the one after it; empty: there is none
--       6 then_at_ms    string   when that one's turn comes: its time with jitter
--       7 entries       string   JSON texts for `fires`, a line each; opaque
--       8 cause         string   JSON object, the error; of failed and refused
--       9 kept          integer  length of `fires`
--      10 retention_ms  integer  how long a schedule that has ended is kept, milliseconds
--      11 again_ms      integer  when a refused one is tried again, milliseconds
-- Returns  one of
--          DONE
--          ENDED     there is no further fire: it will be removed after its retention
--          STALE     somebody else ended the fire, or it is another one's turn; nothing was done
--          UNKNOWN   there is no such schedule; nothing was done
-- Repeat   STALE
-- Cost     O(entries)
-- Flags    allow-oom
-- Uses     check, clock, iso
local schedule, timers, fires = KEYS[1], KEYS[2], KEYS[3]
local schedule_id, outcome, scenario_id, from_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local then_ms, then_at_ms, entries, cause = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local kept, retention_ms, again_ms = item_count(ARGV[9]), whole(ARGV[10], 'retention_ms'), whole(ARGV[11], 'again_ms')
local timer, refused = 'schedule:' .. schedule_id, outcome == 'refused'
local began = outcome == 'started' or outcome == 'failed' or refused

check(began or outcome == 'skipped' or outcome == 'missed', 'outcome')
check(from_ms == '' or whole(from_ms, 'from_ms'), 'from_ms')
check(then_ms == '' or (whole(then_ms, 'then_ms') and whole(then_at_ms, 'then_at_ms')), 'then_ms')
check(kept > 0, 'kept')
redis.call('ZCARD', timers)
redis.call('LLEN', fires)
local state = redis.call('HMGET', schedule, 'state', 'next_ms', 'next_at_ms', 'starting', 'runs', 'max_runs', 'revision', 'refused')
local status, next_ms, next_at_ms, runs, limit = state[1], state[2], state[3], tonumber(state[5] or 0), tonumber(state[6] or 0)
if not status then return 'UNKNOWN' end
if began and state[4] ~= scenario_id then return 'STALE' end
if not began and (state[4] or from_ms == '' or next_ms ~= from_ms) then return 'STALE' end
local at_ms = now_ms()

-- What was paused or resumed meanwhile keeps the next fire that was set by that.
if outcome == 'started' and from_ms ~= '' then runs = runs + 1 end
local again = refused and from_ms ~= '' and next_ms == from_ms
if not refused and from_ms ~= '' and next_ms == from_ms then next_ms, next_at_ms = then_ms, then_at_ms end
if (status == 'active' and next_ms == '') or (limit > 0 and runs >= limit) then
  status, next_ms, next_at_ms = 'ended', '', ''
end
local turn_ms = status == 'ended' and at_ms + retention_ms or again and at_ms + again_ms or tonumber(next_at_ms or '')

redis.call('HSET', schedule, 'state', status, 'next_ms', next_ms, 'next_at_ms', next_at_ms, 'runs', runs, 'updated_at', iso(at_ms),
  'revision', (tonumber(state[7] or '') or 0) + 1)
if began then redis.call('HDEL', schedule, 'starting', 'turn') end
if outcome == 'started' then
  redis.call('HSET', schedule, 'last_scenario_id', scenario_id)
  redis.call('HDEL', schedule, 'last_error')
elseif outcome == 'failed' or refused then
  redis.call('HSET', schedule, 'last_error', cause)
end
if again then redis.call('HSET', schedule, 'refused', from_ms) end
if not again or state[8] ~= from_ms then
  for entry in string.gmatch(entries, '[^\n]+') do redis.call('LPUSH', fires, entry) end
end
redis.call('LTRIM', fires, 0, kept - 1)
if turn_ms then redis.call('ZADD', timers, turn_ms, timer) else redis.call('ZREM', timers, timer) end
return status == 'ended' and 'ENDED' or 'DONE'
