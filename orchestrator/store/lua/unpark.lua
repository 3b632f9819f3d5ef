-- unpark: let tasks that wait for a key go back to their lanes, as many as the limits of the key allow now. They take
-- their slots of the key with them, and pay when they are handed out: `fill` parks again what comes too late for that. So
-- whenever tasks are parked, a task has a slot of their key and its end calls this, or a timer does.
--
-- KEYS  1 timers      zset     what is due later
--       2 parked      zset     parked:<service>:<key>
-- ARGV  1 prefix      string   key prefix of the partition
--       2 service     string
--       3 key         string
--       4 limit       integer  tasks to look at
-- Returns  one of
--          MORE     call again
--          DONE     a timer, or the end of a task, will call again if it has to
-- Repeat   DONE; nothing changes.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, counts, rules, flow, limits
local timers, parked = KEYS[1], KEYS[2]
local prefix, service, key, limit = ARGV[1], ARGV[2], ARGV[3], item_count(ARGV[4])
local timer, place = 'unpark:' .. service .. ' ' .. key, 'parked:' .. service .. ':' .. key
local left, moves = {}, {}

check(limit > 0, 'limit')
redis.call('ZCARD', timers)
local waiting = redis.call('ZCARD', parked)
local at_ms = now_ms()

-- Whether the next ones may be looked at, and when to come back if not.
local function judge(id)
  local v = redis.call('HMGET', prefix .. 'task:' .. id, 'scenario_id', 'rules', 'flow_places', 'flow_score')
  local task = {id = id, service = service, scenario_id = v[1], rules = v[2], flow_score = v[4]}
  local given, found = rules_of(task).flow, counts_of(prefix, task.scenario_id or '')
  if v[3] == place and given and found then
    local slots, due = take_key(prefix, service, given, at_ms)
    if not slots then return false, due end
    found.paused = nil  -- `fill` will see to that
    task.slots, task.aside = slots, aside_of(prefix, task)
    moves[#moves + 1] = task
  end
  left[#left + 1] = id
  return true
end

local open, again_ms = true, nil
for _, id in ipairs(redis.call('ZRANGE', parked, 0, limit - 1)) do
  if open then open, again_ms = judge(id) end
end
local more = open and waiting > #left

if #left > 0 then redis.call('ZREM', parked, unpack(left)) end
for _, task in ipairs(moves) do
  put_aside(task, at_ms)
  redis.call('SADD', prefix .. task.slots, task.id)
  redis.call('HSET', prefix .. 'task:' .. task.id, 'flow_places', task.aside.name .. '\n' .. task.slots)
end
if more then again_ms = at_ms end
if again_ms then redis.call('ZADD', timers, again_ms, timer) else redis.call('ZREM', timers, timer) end
return more and 'MORE' or 'DONE'
