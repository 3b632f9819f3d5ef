-- repair_scenario: set the numbers of a scenario to what its tasks say, and with them its status, its place in the index and its
-- end, if it stands exactly where the caller has seen it.
--
-- KEYS  1 scenario     hash     scenario:<id>
--       2 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 scenario_id  string
--       3 numbers      string   numbers of pending, processing, success, failed, skipped, cancelled and tolerated tasks
--       4 task_ids     string   JSON list of the ids of its tasks; empty leaves it
--       5 total        integer  how many there are
--       6 settles      integer  1: its status follows from the numbers; 0: it stays (of one that could not be made)
--       7 retention    string   how long a finished scenario is kept; see the fragment retention
--       8 ... seen     where it stood, as `scenario_standing` gave it
-- Returns  one of
--          OK        mended
--          CHANGED   it stands elsewhere now; nothing was done
-- Repeat   CHANGED
-- Cost     O(size of task_ids)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, accounts, finish_scenarios, retention, task_ids, scenario_standing
local scenario, timers = KEYS[1], KEYS[2]
local prefix, scenario_id, numbers, task_ids, total = ARGV[1], ARGV[2], ARGV[3], ARGV[4], whole(ARGV[5], 'total')
local settles, retention = whole(ARGV[6], 'settles'), retention_of(ARGV[7])
local wanted = {}

redis.call('ZCARD', timers)
for text in string.gmatch(numbers, '%S+') do wanted[#wanted + 1] = whole(text, 'counts') end
check(#wanted == #STATUSES + 1 and settles < 2 and (task_ids == '' or string.find(task_ids, '^%[.*%]$')), 'numbers')
local at_ms = now_ms()
local now = iso(at_ms)
local stands = scenario_standing_of(prefix, scenario_id)
local found, place = counts_of(prefix, scenario_id), last_piece(scenario)

check(#stands == 0 or #ARGV == 7 + #stands, 'where it stood')

local function is_as_seen()
  for i, value in ipairs(stands) do
    if value ~= ARGV[7 + i] then return false end
  end
  return #stands > 0
end

-- Its status as its tasks have it: it goes on again, or has ended otherwise.
local function settle(v)
  local alive = found.pending + found.processing > 0
  local ended = found.was ~= 'pending' and found.was ~= 'processing'
  if not ended or settles == 0 then return end
  found.status = alive and 'processing' or end_of(found, v[3] or nil)
  if found.status == found.was then return end
  move_account(prefix, v[1], v[2], found.was, alive and 'unfinished' or found.status)
end

if not is_as_seen() then return 'CHANGED' end
for i, status in ipairs(STATUSES) do found[status] = wanted[i] end
found.tolerated, found.changed = wanted[#wanted], {tolerated = true}
for _, status in ipairs(STATUSES) do found.changed[status] = true end
settle(redis.call('HMGET', scenario, 'tenant', 'batch', 'outcome'))
local reopened = found.status == 'processing' and found.was ~= 'pending' and found.was ~= 'processing'
for _, status in ipairs({'pending', 'processing', 'success', 'failed', 'cancelled'}) do
  redis.call('ZCARD', prefix .. 'index:' .. status)
end
local finished = settles == 1 and not reopened and decide_finished(prefix) or {}

for _, status in ipairs({'pending', 'processing', 'success', 'failed', 'cancelled'}) do
  if status ~= found.status then redis.call('ZREM', prefix .. 'index:' .. status, scenario_id) end
end
redis.call('ZADD', prefix .. 'index:' .. found.status, found.created_ms, scenario_id)
redis.call('HSET', scenario, 'status', found.status, 'total', total)
if task_ids ~= '' then replace_ids(scenario, place, task_ids) end
if reopened then
  redis.call('HDEL', scenario, 'finished_at')
  redis.call('ZREM', timers, 'purge:' .. scenario_id)
end
write_counts(prefix, now)
write_finished(prefix, timers, finished, now, at_ms, retention)
return 'OK'
