-- begin_fire: decide what becomes of a fire of a schedule. Who is told START makes the scenario, then calls end_fire.
--
-- The decision is written down before the scenario is made, and the timer moved on by a while: when the one who was
-- told dies, the next to come is told the same.
--
-- KEYS  1 schedule     hash     schedule:<id>
--       2 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 schedule_id  string
--       3 from_ms      string   time of the next fire as it was read; empty: somebody asks for a fire of its own
--       4 scenario_id  string   of the scenario to be made
--       5 turn         string   opaque; given to who goes on with it
--       6 hold_ms      integer  time to make the scenario, milliseconds
--       7 poll_ms      integer  when to look again whether the scenario before has ended, milliseconds
-- Returns  one of
--          START, scenario_id, turn   make it; these may be of a fire that somebody else began
--          SKIP, scenario_id          this scenario still runs, and the fire is to be left out
--          CANCEL, scenario_id        this scenario still runs, and is to be cancelled first
--          WAIT, scenario_id          this scenario still runs; the timer was moved
--          NOT_DUE                    its turn has not come, or somebody is at it
--          STALE                      it has changed since it was read, is paused, or has ended
--          UNKNOWN                    there is no such schedule; a timer of it was removed
-- Repeat   NOT_DUE; of one that was asked for START
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock
local schedule, timers = KEYS[1], KEYS[2]
local prefix, schedule_id, from_ms, scenario_id, turn = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local hold_ms, poll_ms = whole(ARGV[6], 'hold_ms'), whole(ARGV[7], 'poll_ms')
local timer = 'schedule:' .. schedule_id

check(from_ms == '' or whole(from_ms, 'from_ms'), 'from_ms')
check(#scenario_id > 0 and #turn < 1000, 'a scenario id and a turn')
local at_ms = now_ms()
local due = tonumber(redis.call('ZSCORE', timers, timer) or '')
local is_due = due and due <= at_ms
local state = redis.call('HMGET', schedule, 'state', 'next_ms', 'overlap', 'last_scenario_id', 'starting', 'turn')
local status, next_ms, overlap, last, starting = state[1], state[2], state[3], state[4] or '', state[5]
if not status then
  redis.call('ZREM', timers, timer)
  return {'UNKNOWN'}
end
if starting and not is_due then
  if from_ms == '' and starting == scenario_id then return {'START', starting, state[6]} end
  return {'NOT_DUE'}
end
if starting then
  redis.call('ZADD', timers, at_ms + hold_ms, timer)
  return {'START', starting, state[6]}
end

if from_ms ~= '' and not is_due then return {'NOT_DUE'} end
if status == 'ended' or (from_ms ~= '' and (status ~= 'active' or next_ms ~= from_ms)) then return {'STALE'} end
local before = redis.call('HMGET', prefix .. 'scenario:' .. last, 'status', 'cancel')
if overlap ~= 'allow' and (before[1] == 'pending' or before[1] == 'processing') then
  if overlap == 'skip' then return {'SKIP', last} end
  if overlap == 'cancel' and not before[2] then return {'CANCEL', last} end
  if from_ms ~= '' then redis.call('ZADD', timers, at_ms + poll_ms, timer) end
  return {'WAIT', last}
end

redis.call('HSET', schedule, 'starting', scenario_id, 'turn', turn)
local turn_ms = at_ms + hold_ms
if from_ms == '' and due and due < turn_ms then turn_ms = due end
redis.call('ZADD', timers, turn_ms, timer)
return {'START', scenario_id, turn}
