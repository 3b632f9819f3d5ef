-- close_batch: note that all lines of a batch were read.
--
-- KEYS  1 batch    hash     batch:<id>
--       2 members  zset     batch-scenarios:<id>; score = line
-- ARGV  1 lines    integer  how many there were
--       2 keep_ms  integer  how long a batch without scenarios is kept, milliseconds
-- Returns  OK
-- Repeat   nothing changes.
-- Cost     O(1)
-- Uses     check, clock, iso
local batch, members = KEYS[1], KEYS[2]
local lines, keep_ms = whole(ARGV[1], 'lines'), whole(ARGV[2], 'keep_ms')

check(keep_ms > 0, 'keep_ms')
local known = tonumber(redis.call('HGET', batch, 'lines') or 0)
local count = redis.call('ZCARD', members)
local now = iso(now_ms())

redis.call('HSETNX', batch, 'created_at', now)
redis.call('HSETNX', batch, 'total', 0)
redis.call('HSET', batch, 'lines', math.max(known, lines), 'closed_at', now)
if count == 0 then redis.call('PEXPIRE', batch, keep_ms) end
return 'OK'
