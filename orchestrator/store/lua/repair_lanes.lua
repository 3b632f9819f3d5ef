-- repair_lanes: find places of flow control where tasks wait and nothing will let them go on, and see to that.
--
-- KEYS  1 timers   zset     what is due later
-- ARGV  1 prefix   string   key prefix of the partition
--       2 repair   integer  0: only find them
--       3 ... items names of the places behind the prefix: lane, parked or held
-- Returns  per place found one of the words, and its name
--          UNLISTED     a lane that its service does not know
--          UNWATCHED    nobody will look at it again: no timer, no end of a task
-- Repeat   an empty list; nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check, clock
local timers = KEYS[1]
local prefix, repair = ARGV[1], whole(ARGV[2], 'repair')
local kinds, found, writes = {}, {}, {}

check(#ARGV > 2 and #ARGV <= 502, '1 to 500 names')
redis.call('ZCARD', timers)
local at_ms = now_ms()

local function note(word, name, key, score, member)
  found[#found + 1] = {word, name}
  writes[#writes + 1] = {key, score, member}
end

function kinds.lane(name, service, tenant)
  local v = redis.call('HMGET', prefix .. 'flow', '*', service .. ':paused', service)
  local limit = v[3] and cjson.decode(v[3]).concurrency
  local is_full = limit and redis.call('SCARD', prefix .. 'slots:' .. service) >= limit
  local lanes = prefix .. 'lanes:' .. service
  if not redis.call('ZSCORE', lanes, tenant) then note('UNLISTED', name, lanes, 0, tenant) end
  if not v[1] and not v[2] and not is_full and not redis.call('ZSCORE', timers, 'fill:' .. service) then
    note('UNWATCHED', name, timers, at_ms, 'fill:' .. service)
  end
end

function kinds.parked(name, service, key)
  local timer = 'unpark:' .. service .. ' ' .. key
  local is_held = redis.call('SCARD', prefix .. 'slots:' .. service .. ':' .. key) > 0
  if not is_held and not redis.call('ZSCORE', timers, timer) then note('UNWATCHED', name, timers, at_ms, timer) end
end

function kinds.held(name, scenario_id)
  local v = redis.call('HMGET', prefix .. 'scenario:' .. scenario_id, 'status', 'paused')
  local timer = 'resume:' .. scenario_id
  if v[1] and not v[2] and not redis.call('ZSCORE', timers, timer) then note('UNWATCHED', name, timers, at_ms, timer) end
end

for i = 3, #ARGV do
  local name = ARGV[i]
  local kind, subject, key = string.match(name, '^([a-z]+):([^:]+):?(.*)$')
  check(kinds[kind], 'a place')
  if redis.call('ZCARD', prefix .. name) > 0 then kinds[kind](name, subject, key) end
end

if repair == 1 then
  for _, write in ipairs(writes) do redis.call('ZADD', write[1], 'NX', write[2], write[3]) end
end
return found
