-- barrier: a write without a meaning. Once it is known to be on disk, or at a replica, so is all that was written before it.
--
-- KEYS  1 barrier  string   expires
-- ARGV  1 keep_ms  integer  milliseconds
-- Returns  OK
-- Repeat   nothing changes.
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check
local barrier = KEYS[1]
local keep_ms = whole(ARGV[1], 'keep_ms')

check(keep_ms > 0, 'keep_ms')
redis.call('GET', barrier)

redis.call('SET', barrier, 1, 'PX', keep_ms)
return 'OK'
