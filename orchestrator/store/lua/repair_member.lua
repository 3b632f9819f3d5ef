-- repair_member: put a missing member into a sorted set, if the hash that says that it belongs there is as the caller has seen it.
--
-- KEYS  1 members   zset     timers, or a list of something
--       2 subject   hash     what the member is about
-- ARGV  1 member    string
--       2 score     integer  0: now
--       3 ... items fields of the hash and their values; an empty value stands for none
-- Returns  one of
--          OK        it stands there
--          CHANGED   the hash says something else now, or the member stands there already; nothing was done
-- Repeat   CHANGED
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check, clock
local members, subject = KEYS[1], KEYS[2]
local member, score = ARGV[1], whole(ARGV[2], 'score')

check(#member > 0 and #ARGV > 2 and #ARGV % 2 == 0, 'fields and values')
local stands = redis.call('ZSCORE', members, member)
local changed = false
for i = 3, #ARGV, 2 do
  if (redis.call('HGET', subject, ARGV[i]) or '') ~= ARGV[i + 1] then changed = true end
end
local at_ms = now_ms()

if stands or changed then return 'CHANGED' end
redis.call('ZADD', members, 'NX', score == 0 and at_ms or score, member)
return 'OK'
