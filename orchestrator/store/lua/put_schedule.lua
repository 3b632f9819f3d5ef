-- put_schedule: make a schedule, or change one that nobody has changed since it was read.
--
-- KEYS  1 schedule     hash     schedule:<id>
--       2 schedules    zset     ids of all schedules; score = creation time in ms
--       3 timers       zset     what is due later
-- ARGV  1 schedule_id  string
--       2 revision     string   the revision that was read; empty makes a new one
--       3 timer_ms     string   when it is its turn; empty: it has none
--       4 ... strings  fields and values of the hash
-- Returns  one of
--          CREATED
--          CHANGED
--          EXISTS     there is one of this id already; nothing was done
--          STALE      it was changed or removed meanwhile; nothing was done
-- Repeat   EXISTS or STALE; nothing changes.
-- Cost     O(size of the schedule)
-- Uses     check, clock, iso
local schedule, schedules, timers = KEYS[1], KEYS[2], KEYS[3]
local schedule_id, revision, timer_ms = ARGV[1], ARGV[2], ARGV[3]
local timer = 'schedule:' .. schedule_id

check(revision == '' or whole(revision, 'revision'), 'revision')
check(timer_ms == '' or whole(timer_ms, 'timer_ms'), 'timer_ms')
check(#ARGV > 3 and #ARGV % 2 == 1 and #ARGV < 200, 'fields and values')
local state = redis.call('HMGET', schedule, 'revision', 'starting')
redis.call('ZCARD', schedules)
redis.call('ZCARD', timers)
if revision == '' and state[1] then return 'EXISTS' end
if revision ~= '' and state[1] ~= revision then return 'STALE' end
local at_ms = now_ms()
local now = iso(at_ms)

redis.call('HSET', schedule, 'revision', (tonumber(state[1] or '') or 0) + 1, 'updated_at', now, unpack(ARGV, 4))
if not state[1] then
  redis.call('HSET', schedule, 'created_at', now, 'created_ms', at_ms)
  redis.call('ZADD', schedules, at_ms, schedule_id)
end
-- The timer of a fire under way lets another replica go on with it; its end sets the next one.
if not state[2] and timer_ms == '' then redis.call('ZREM', timers, timer) end
if not state[2] and timer_ms ~= '' then redis.call('ZADD', timers, timer_ms, timer) end
return state[1] and 'CHANGED' or 'CREATED'
