-- prune: find members of a set that do not belong there, and remove them.
--
-- KEYS  1 members  zset or set
-- ARGV  1 prefix   string   key prefix of the partition
--       2 name     string   what the set is called behind the prefix
--       3 repair   integer  0: only find them
--       4 ... items members to look at
-- Returns  those that do not belong there
-- Repeat   an empty list; nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check
local members = KEYS[1]
local prefix, name, repair = ARGV[1], ARGV[2], whole(ARGV[3], 'repair')
local kind, rest = string.match(name, '^([^:]+):?(.*)$')
local LIVE = {pending = true, processing = true}
local OF_SCENARIOS = {cancel = true, pause = true, resume = true, revive = true, purge = true, state = true}
local belongs, found = {}, {}

check(kind and #ARGV > 3 and #ARGV <= 503, '1 to 500 members')
redis.call(kind == 'slots' and 'SCARD' or 'ZCARD', members)

-- Sets of flow control: a live task names them.
local function is_placed(id)
  local v = redis.call('HMGET', prefix .. 'task:' .. id, 'status', 'flow_places')
  return LIVE[v[1]] and string.find('\n' .. (v[2] or '') .. '\n', '\n' .. name .. '\n', 1, true)
end
for _, place in ipairs({'lane', 'parked', 'held', 'slots'}) do belongs[place] = is_placed end

function belongs.gates(id) return redis.call('HGET', prefix .. 'gate:' .. id, 'state') == 'open' end

function belongs.index(id) return redis.call('HGET', prefix .. 'scenario:' .. id, 'status') == rest end

function belongs.schedules(id) return redis.call('HEXISTS', prefix .. 'schedule:' .. id, 'state') == 1 end

belongs['dead-letters'] = function(id)
  local fingerprint = redis.call('HGET', prefix .. 'task:' .. id, 'fingerprint')
  return fingerprint and (rest == '' or fingerprint == rest)
end

belongs['dead-letter-kinds'] = function(fingerprint)
  return redis.call('ZCARD', prefix .. 'dead-letters:' .. fingerprint) > 0
end

-- Of kinds that are not known here (a newer version may have set them) nothing is said.
function belongs.timers(timer)
  local of, id = string.match(timer, '^([^:]+):(.*)$')
  if of == 'start' or of == 'lease' or of == 'overdue' then return LIVE[redis.call('HGET', prefix .. 'task:' .. id, 'status')] end
  if of == 'gate' then return redis.call('HEXISTS', prefix .. 'gate:' .. id, 'state') == 1 end
  if of == 'schedule' then return redis.call('HEXISTS', prefix .. 'schedule:' .. id, 'state') == 1 end
  if of == 'cancel-batch' then return redis.call('HEXISTS', prefix .. 'batch:' .. id, 'total') == 1 end
  return not OF_SCENARIOS[of] or redis.call('HEXISTS', prefix .. 'scenario:' .. id, 'status') == 1
end

check(belongs[kind], 'a set that is known')
for i = 4, #ARGV do
  local stands = redis.call(kind == 'slots' and 'SISMEMBER' or 'ZSCORE', members, ARGV[i])
  if stands and stands ~= 0 and not belongs[kind](ARGV[i]) then found[#found + 1] = ARGV[i] end
end

if repair == 1 and #found > 0 then redis.call(kind == 'slots' and 'SREM' or 'ZREM', members, unpack(found)) end
return found
