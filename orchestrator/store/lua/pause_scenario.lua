-- pause_scenario: from the first call on nothing of a scenario is handed out any more; what no worker has begun is taken
-- back, a chunk of tasks a call, and held until it is resumed. What runs goes on. The scenarios that its tasks are become
-- paused too; the engine goes on with each of them. A timer lets the engine go on when the caller dies.
--
-- KEYS  1 scenario     hash     scenario:<id>
--       2 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 workers      string   consumer group of the workers
--       3 scenario_id  string
--       4 facts        string   JSON object: reason and author, the time is added to it; empty goes on with one that began
--       5 limit        integer  tasks a call
-- Returns  one of
--          DONE       nothing of it begins any more
--          MORE       call again
--          RESUMED    it is not paused (any more); at most the timer was removed
--          FINAL      it has ended, or is being cancelled; at most the timer was removed
--          UNKNOWN    there is no such scenario
-- Repeat   goes on, then DONE.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, backlog, within, task_ids
local scenario, timers = KEYS[1], KEYS[2]
local prefix, workers, scenario_id, facts, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4], item_count(ARGV[5])
local timer = 'pause:' .. scenario_id
local moves, lasts, below = {}, {}, {}

check(limit > 0 and (facts == '' or string.find(facts, '^{.*}$') ~= nil), 'facts')
redis.call('ZCARD', timers)
local state = redis.call('HMGET', scenario, 'status', 'paused', 'pause_at', 'cancel')
local at_ms = now_ms()
local now = iso(at_ms)

local function refusal()
  if not state[1] then return 'UNKNOWN' end
  if state[4] or state[1] ~= 'pending' and state[1] ~= 'processing' then return 'FINAL' end
  return facts == '' and not state[2] and 'RESUMED' or nil
end

local word = refusal()
if word then
  redis.call('ZREM', timers, timer)
  return word
end
local some, position, at_end = {}, tonumber(state[3] or 1), true
-- 0: it came to all; what was added later was held at once.
if position > 0 then some, position, at_end = ids_from(scenario, position, limit) end
counts_of(prefix, scenario_id).paused = true

-- Whether a task waits in a lane, or in a stream where no worker has taken it.
local function has_not_begun(service, entry, places)
  if entry == '' then return string.find(places, '^lane:') or string.find(places, '^parked:') end
  local queue = prefix .. 'queue:' .. service
  if not lasts[queue] then lasts[queue] = select(3, backlog_of(queue, workers)) end
  return is_after(entry, lasts[queue])
end

-- A scenario that a task is: it is paused too, unless it is already.
local function read_below(id)
  local v = redis.call('HMGET', prefix .. 'scenario:' .. id, 'status', 'paused', 'cancel')
  if (v[1] == 'pending' or v[1] == 'processing') and not v[2] and not v[3] then below[#below + 1] = id end
end

local function read_task_at(id)
  local key = prefix .. 'task:' .. id
  local v = redis.call('HMGET', key, 'status', 'scenario_id', 'service', 'entry', 'attempt', 'flow_places', 'flow_score',
    'rules', 'child_scenario_id')
  local entry, places = v[4] or '', v[6] or ''
  local alive = v[1] == 'processing' or v[1] == 'pending'
  if alive and v[2] == scenario_id and (v[9] or '') ~= '' then read_below(v[9]) end
  if v[1] ~= 'pending' or v[2] ~= scenario_id or not has_not_begun(v[3], entry, places) then return end
  local task = {id = id, key = key, service = v[3], scenario_id = scenario_id, rules = v[8], flow_places = places,
    flow_score = v[7], entry = entry, attempt = entry ~= '' and v[5] - 1 or v[5]}
  plan_exit(prefix, task)
  task.aside = aside_of(prefix, task)
  moves[#moves + 1] = task
end

for _, id in ipairs(some) do read_task_at(id) end

write_exits(at_ms)
for _, task in ipairs(moves) do
  if task.entry ~= '' then redis.call('XDEL', prefix .. 'queue:' .. task.service, task.entry) end
  redis.call('HSET', task.key, 'attempt', task.attempt or 0)
  put_aside(task, at_ms)
end
local paused = state[2]
if facts ~= '' then
  local rest = facts == '{}' and '' or ',' .. string.sub(facts, 2, -2)
  paused = '{"at":"' .. now .. '"' .. rest .. '}'
  redis.call('HSET', scenario, 'paused', paused)
end
for _, id in ipairs(below) do
  pause_within(prefix, timers, id, scenario_id, handed_down(scenario_id, paused), now, at_ms)
end
redis.call('HDEL', scenario, 'resume_at')
redis.call('HSET', scenario, 'pause_at', at_end and 0 or position, 'updated_at', now)
redis.call('ZREM', timers, 'resume:' .. scenario_id)
if not at_end then
  redis.call('ZADD', timers, at_ms + 1000, timer)
  return 'MORE'
end
redis.call('ZREM', timers, timer)
return 'DONE'
