-- remove_schedule: remove a schedule with all that is its own. Scenarios that it started go on.
--
-- KEYS  1 schedule     hash     schedule:<id>
--       2 schedules    zset     ids of all schedules
--       3 timers       zset     what is due later
--       4 fires        list     fires:<id>
-- ARGV  1 schedule_id  string
--       2 only_ended   integer  1: only when it has ended and its retention is over
-- Returns  one of
--          REMOVED
--          NOT_DUE    it has not ended, or its retention is not over; nothing was done
--          UNKNOWN    there is no such schedule; leftovers were removed
-- Repeat   UNKNOWN
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock
local schedule, schedules, timers, fires = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local schedule_id, only_ended = ARGV[1], whole(ARGV[2], 'only_ended')
local timer = 'schedule:' .. schedule_id

check(#schedule_id > 0, 'schedule_id')
redis.call('ZCARD', schedules)
redis.call('LLEN', fires)
local state = redis.call('HGET', schedule, 'state')
local due = tonumber(redis.call('ZSCORE', timers, timer) or '')
if state and only_ended == 1 and (state ~= 'ended' or not due or due > now_ms()) then return 'NOT_DUE' end

redis.call('UNLINK', schedule, fires)
redis.call('ZREM', schedules, schedule_id)
redis.call('ZREM', timers, timer)
return state and 'REMOVED' or 'UNKNOWN'
