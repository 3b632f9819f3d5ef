-- note_rerun: remember with a scenario that another one will run a part of it anew. Comes first: as long as the other one
-- is there, what it refers to is kept.
--
-- KEYS  1 scenario     hash     scenario:<id>
-- ARGV  1 prefix       string   key prefix of the partition
--       2 rerun        string   id of the new scenario
--       3 limit        integer  how many there may be
-- Returns  one of
--          OK
--          TOO_MANY  so many are there already; nothing was done
--          PURGED    its removal has begun, or there is no such scenario; nothing was done
-- Repeat   nothing changes.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check
local scenario = KEYS[1]
local prefix, rerun, limit = ARGV[1], ARGV[2], item_count(ARGV[3])
local ids = {}

check(#rerun == 16 and not string.find(rerun, '%s'), 'an id')
local state = redis.call('HMGET', scenario, 'status', 'purged', 'reruns')
if not state[1] or state[2] then return 'PURGED' end
for id in string.gmatch(state[3] or '', '%S+') do
  if id == rerun then return 'OK' end
  if redis.call('HEXISTS', prefix .. 'scenario:' .. id, 'status') == 1 then ids[#ids + 1] = id end
end
if #ids >= limit then return 'TOO_MANY' end
ids[#ids + 1] = rerun

redis.call('HSET', scenario, 'reruns', table.concat(ids, ' '))
return 'OK'
