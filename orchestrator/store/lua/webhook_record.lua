-- webhook_record: note an attempt of a delivery, and what follows from it.
--
-- KEYS  1 delivery     hash     delivery:<id>
--       2 waiting      zset     deliveries of the endpoint that are not done
--       3 failing      hash     endpoint id -> since when all attempts from this partition fail (0: the last did not), and the last
--       4 webhooks     hash     endpoint id -> revision and JSON
-- ARGV  1 delivery_id  string
--       2 endpoint_id  string
--       3 turn         integer  as it was given with the delivery
--       4 status       string   success, failed, or pending: there is to be another attempt
--       5 delay_ms     integer  until that one, milliseconds
--       6 keep_ms      integer  how long the delivery is kept from now on, milliseconds
--       7 facts        string   JSON object that says how the attempt went; opaque here
-- Returns  one of
--          OK, since when the attempts for this endpoint fail: ms since the Unix epoch, or 0
--          STALE   the delivery is gone or done, was taken again, or this attempt was noted before; nothing was done
-- Repeat   STALE
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock, iso
local delivery, waiting, failing, webhooks = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local delivery_id, endpoint_id, turn, status = ARGV[1], ARGV[2], whole(ARGV[3], 'turn'), ARGV[4]
local delay_ms, keep_ms, facts = whole(ARGV[5], 'delay_ms'), whole(ARGV[6], 'keep_ms'), ARGV[7]
local SHOWN_ATTEMPTS = 20

check((status == 'success' or status == 'failed' or status == 'pending') and string.sub(facts, 1, 1) == '{', 'how it went')
check(keep_ms > 0, 'keep_ms')
redis.call('ZCARD', waiting)
local since = tonumber(string.match(redis.call('HGET', failing, endpoint_id) or '', '^%d+')) or 0
local known = redis.call('HEXISTS', webhooks, endpoint_id) == 1
local found = redis.call('HMGET', delivery, 'status', 'turn', 'attempts', 'tries', 'held_until')
if found[1] ~= 'pending' or tonumber(found[2]) ~= turn or found[5] == '0' then return {'STALE'} end
local at_ms = now_ms()
local now = iso(at_ms)
local number = tonumber(found[3]) + 1

redis.call('HSET', delivery, 'status', status, 'updated_at', now, 'held_until', 0, 'attempts', number, 'tries', tonumber(found[4]) + 1,
  'attempt:' .. number, '{"attempt":' .. number .. ',"at":"' .. now .. '",' .. string.sub(facts, 2))
redis.call('HDEL', delivery, 'attempt:' .. (number - SHOWN_ATTEMPTS))
if status == 'pending' then
  redis.call('ZADD', waiting, at_ms + delay_ms, delivery_id)
  redis.call('PEXPIRE', waiting, keep_ms)
else
  redis.call('ZREM', waiting, delivery_id)
  redis.call('HSET', delivery, 'finished_at', now)
end
redis.call('PEXPIRE', delivery, keep_ms)
since = status == 'success' and 0 or since == 0 and known and at_ms or since
if known then redis.call('HSET', failing, endpoint_id, since .. ' ' .. at_ms) end
return {'OK', since}
