-- fill: move tasks of a service from its lanes to its stream, as far as its limits allow. Tenants take turns: each task
-- moves its tenant on by 1 / weight, and the one that is least far is next. Within a tenant lower scores go first.
--
-- KEYS  1 timers      zset     what is due later
--       2 queue       stream   queue:<service>
-- ARGV  1 prefix      string   key prefix of the partition
--       2 service     string
--       3 workers     string   consumer group of the workers
--       4 nonce       string   random, never used before; makes the tokens
--       5 limit       integer  tasks to look at
-- Returns  one of, and how many tasks were moved
--          MORE     call again
--          FULL     a limit is reached: a timer, or the end of a task, will have the service looked at again
--          EMPTY    no task waits in a lane
--          PAUSED   nothing was done
-- Repeat   FULL or EMPTY; nothing changes.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, dispatch, limits, backlog
local timers, queue = KEYS[1], KEYS[2]
local prefix, service, workers, nonce, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4], item_count(ARGV[5])
local LEAST, MOST, SETTLED_MS, BUSY_MS, IDLE_MS = 4, 128, 100, 100, 1000
local LEAST_WEIGHT = 0.001  -- with less, a turn would go so far that those of others vanish beside it
local lanes, slots, timer = prefix .. 'lanes:' .. service, 'slots:' .. service, 'fill:' .. service
local tenants, left, moves, parked, held = {}, {}, {}, {}, {}

check(#nonce > 0 and limit > 0, 'numbers')
redis.call('ZCARD', timers)
queue_of(prefix, service)
local flow = flow_of(prefix, service) or {}
if flow.paused then return {'PAUSED', 0} end
local at_ms = now_ms()
local now = iso(at_ms)
local waiting, running = backlog_of(queue, workers)
local seat = seats_of(prefix, slots)
local bucket = flow.managed and flow.rate and bucket_of(prefix, service, flow.rate)
-- The stream is first in, first out, so it is kept short, or what is urgent would come late: as long as workers who take
-- all of it need, twice as long when they did, half as long when they take less.
local known, since = string.match(redis.call('GET', prefix .. 'window:' .. service) or '', '^(%d+) (%d+)$')
known, since = tonumber(known or LEAST), tonumber(since or 0)
local window = known
if not flow.managed then
  window = math.huge
elseif waiting == 0 then
  window = math.min(MOST, 2 * known)
elseif 2 * waiting > known and at_ms - since >= SETTLED_MS then
  window = math.max(LEAST, math.floor(known / 2))
end
-- More than a burst, or what stands in the queue, is owed only when the rate was another one or the clock went back.
local most = bucket and at_ms + 1 + math.max(flow.rate.burst or 1, waiting) * bucket.interval
if bucket and bucket.tat > most then bucket.tat, bucket.paid = most, true end
-- Entries that nobody took yet will all begin at once when a worker comes, so they count as paid for now.
if bucket and waiting > 0 then pay(bucket, 0, at_ms + waiting * bucket.interval) end

-- Whether a limit of the whole service is reached, and when to look again: nil when the end of a task will say so.
local function is_full()
  if flow.concurrency and seat.taken >= flow.concurrency then return true end
  local later = at_ms + (running > 0 and BUSY_MS or IDLE_MS)
  if waiting >= window then return true, later end
  local due = bucket and due_of(bucket) or 0
  return due > at_ms, due
end

-- The tenant whose turn it is, with what it is to pay for a turn.
local function next_tenant()
  local best = nil
  for _, tenant in ipairs(tenants) do
    if not tenant.empty and (not best or tenant.turn < best.turn) then best = tenant end
  end
  return best
end

local function read_tenants()
  local flat = redis.call('ZRANGE', lanes, 0, limit - 1, 'WITHSCORES')
  for i = 1, #flat, 2 do
    local weight = math.max(flow.weights and flow.weights[flat[i]] or 1, LEAST_WEIGHT)
    tenants[#tenants + 1] = {name = flat[i], lane = 'lane:' .. service .. ':' .. flat[i], turn = tonumber(flat[i + 1]),
      cost = 1 / weight, seen = 0}
  end
end

-- What becomes of a task that stands in a lane.
local function judge(tenant, id)
  local task = read_task(prefix .. 'task:' .. id)
  local places = task.flow_places or ''
  left[#left + 1] = {tenant.lane, id}
  if task.status ~= 'pending' or string.match(places, '^[^\n]*') ~= tenant.lane then return end
  task.id, task.flow_places = id, nil
  local found, given = counts_of(prefix, task.scenario_id), rules_of(task).flow or {}
  if not found or found.cancel and not rules_of(task).finally then return end
  if found.paused and not found.cancel then
    task.flow_places = places
    plan_exit(prefix, task, true)
    task.aside = aside_of(prefix, task)
    held[#held + 1] = task
    return
  end
  task.slots = string.match(places, '\n(.*)$')
  if given.key then
    local taken, due = take_key(prefix, service, given, at_ms, task.slots)
    if not taken then
      -- It waited here for longer than it was allowed to for; the slot goes back.
      if task.slots then
        task.flow_places = places
        plan_exit(prefix, task, true)
      end
      task.due, task.key_name = due, service .. ':' .. named(given.key)
      redis.call('ZCARD', prefix .. 'parked:' .. task.key_name)
      parked[#parked + 1] = task
      return
    end
    task.slots = taken
  end
  if task.slots then seats_of(prefix, task.slots) end
  task.since = since_of(task)
  tenant.turn, tenant.moved = tenant.turn + tenant.cost, true
  seat.taken, waiting = seat.taken + 1, waiting + 1
  if bucket then pay(bucket, 1, at_ms) end
  moves[#moves + 1] = task
end

-- Look at tasks until a limit is reached. Returns the word, and when to look again.
local function look()
  while true do
    local tenant = next_tenant()
    if not tenant then return #tenants == limit and 'MORE' or 'EMPTY' end
    if #left == limit then return 'MORE' end
    local id = redis.call('ZRANGE', prefix .. tenant.lane, tenant.seen, tenant.seen)[1]
    tenant.empty = not id
    if id then
      local full, due = is_full()
      if full then return 'FULL', due end
      tenant.seen = tenant.seen + 1
      judge(tenant, id)
    end
  end
end

read_tenants()
local word, again_ms = look()

for _, one in ipairs(left) do redis.call('ZREM', prefix .. one[1], one[2]) end
write_exits(at_ms)
for _, task in ipairs(held) do put_aside(task, at_ms) end
for _, task in ipairs(parked) do
  redis.call('ZADD', prefix .. 'parked:' .. task.key_name, task.flow_score, task.id)
  redis.call('HSET', task.key, 'flow_places', 'parked:' .. task.key_name, 'flow_score', task.flow_score)
  if task.due then redis.call('ZADD', timers, 'LT', task.due, 'unpark:' .. string.gsub(task.key_name, ':', ' ', 1)) end
end
for k, task in ipairs(moves) do
  local places = task.slots or ''
  if flow.managed then places = places == '' and slots or slots .. '\n' .. places end
  dispatch(timers, task, nonce .. '.' .. k, now, at_ms)
  for name in string.gmatch(places, '[^\n]+') do redis.call('SADD', prefix .. name, task.id) end
  redis.call('HSET', task.key, 'flow_places', places)
end
for _, tenant in ipairs(tenants) do
  if tenant.empty then
    redis.call('ZREM', lanes, tenant.name)
  elseif tenant.moved then
    redis.call('ZADD', lanes, tenant.turn, tenant.name)
  end
end
write_buckets(at_ms)
if flow.managed and window ~= known and (word == 'FULL' or #moves >= known) then
  redis.call('SET', prefix .. 'window:' .. service, window .. ' ' .. at_ms, 'PX', 600000)
end
if word == 'MORE' then
  again_ms = at_ms
elseif bucket and waiting > 0 then
  again_ms = math.min(again_ms or math.huge, at_ms + IDLE_MS)
end
if again_ms then redis.call('ZADD', timers, again_ms, timer) else redis.call('ZREM', timers, timer) end
return {word, #moves}
