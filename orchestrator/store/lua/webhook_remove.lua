-- webhook_remove: forget an endpoint of webhooks and what waits for it. The deliveries themselves expire.
--
-- KEYS  1 webhooks      hash     endpoint id -> revision and JSON
--       2 failing       hash     endpoint id -> since when its attempts fail, `<id>:dropped` -> what was dropped
--       3 deliveries    zset     of this endpoint, by time
--       4 waiting       zset     those of them that are not done
-- ARGV  1 endpoint_id   string
-- Returns  one of
--          REMOVED
--          UNKNOWN   there is no such endpoint
-- Repeat   UNKNOWN; nothing changes.
-- Cost     O(1)
-- Flags    allow-oom
local webhooks, failing, deliveries, waiting = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local endpoint_id = ARGV[1]

local known = redis.call('HEXISTS', webhooks, endpoint_id)
redis.call('HLEN', failing)
redis.call('ZCARD', deliveries)
redis.call('ZCARD', waiting)

redis.call('HDEL', webhooks, endpoint_id)
redis.call('HDEL', failing, endpoint_id, endpoint_id .. ':dropped')
redis.call('UNLINK', deliveries, waiting)
return known == 1 and 'REMOVED' or 'UNKNOWN'
