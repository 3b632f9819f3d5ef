-- repair_count: set a counter of a hash, if it is as the caller has seen it.
--
-- KEYS  1 hash      hash     tenants, or batch:<id>
-- ARGV  1 name      string   field
--       2 seen      string   value that the caller has seen; empty: none
--       3 wanted    integer  what it is to be; 0 removes it
-- Returns  one of
--          OK        set
--          CHANGED   it is another now; nothing was done
-- Repeat   CHANGED, or OK when it was right.
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check
local hash = KEYS[1]
local name, seen, wanted = ARGV[1], ARGV[2], whole(ARGV[3], 'wanted')

check(#name > 0, 'a name')
if (redis.call('HGET', hash, name) or '') ~= seen then return 'CHANGED' end
if wanted == 0 then
  redis.call('HDEL', hash, name)
else
  redis.call('HSET', hash, name, wanted)
end
return 'OK'
