-- webhook_put: write an endpoint of webhooks, unless somebody else changed it since it was read.
--
-- KEYS  1 webhooks      hash     endpoint id -> revision and JSON
--       2 failing       hash     endpoint id -> since when its attempts fail; a change of the endpoint is a new start
-- ARGV  1 endpoint_id   string
--       2 revision      integer  of this value, from 1; one more than that which was read
--       3 copy          integer  1: a copy for another partition, which takes any newer revision; else 0
--       4 limit         integer  how many endpoints there may be
--       5 value         string   JSON object; opaque here
-- Returns  one of
--          OK        it stands there
--          CHANGED   another revision stands there, or none; nothing was done
--          FULL      there are as many endpoints as there may be; nothing was done
-- Repeat   OK; nothing changes.
-- Cost     O(1)
-- Uses     check
local webhooks, failing = KEYS[1], KEYS[2]
local endpoint_id, revision, copy, limit, value = ARGV[1], whole(ARGV[2], 'revision'), whole(ARGV[3], 'copy'), whole(ARGV[4], 'limit'), ARGV[5]

check(revision > 0 and #endpoint_id > 0, 'an endpoint')
local known = redis.call('HGET', webhooks, endpoint_id)
local number = known and tonumber(string.match(known, '^%d+')) or 0
local written = revision .. ' ' .. value
redis.call('HLEN', failing)
if known == written then return 'OK' end
if copy == 1 and number >= revision or copy ~= 1 and number + 1 ~= revision then return 'CHANGED' end
if not known and redis.call('HLEN', webhooks) >= limit then return 'FULL' end

redis.call('HSET', webhooks, endpoint_id, written)
redis.call('HDEL', failing, endpoint_id)
return 'OK'
