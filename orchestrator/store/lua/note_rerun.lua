-- note_rerun: remember with a scenario that another one will run a part of it anew. Comes first, so that nothing that the
-- other will refer to is removed unseen.
--
-- KEYS  1 scenario     hash     scenario:<id>
-- ARGV  1 rerun        string   id of the new scenario
--       2 limit        integer  how many are remembered, the last ones
-- Returns  one of
--          OK
--          PURGED   its removal has begun, or there is no such scenario; nothing was done
-- Repeat   nothing changes.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check
local scenario = KEYS[1]
local rerun, limit = ARGV[1], item_count(ARGV[2])
local ids = {}

check(#rerun == 16 and not string.find(rerun, '%s'), 'an id')
local state = redis.call('HMGET', scenario, 'status', 'purged', 'reruns')
if not state[1] or state[2] then return 'PURGED' end
for id in string.gmatch(state[3] or '', '%S+') do
  if id == rerun then return 'OK' end
  ids[#ids + 1] = id
end
ids[#ids + 1] = rerun

redis.call('HSET', scenario, 'reruns', table.concat(ids, ' ', math.max(1, #ids - limit + 1)))
return 'OK'
