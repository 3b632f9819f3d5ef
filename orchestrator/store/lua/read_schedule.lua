-- read_schedule: a schedule, and the time: the clock that its fires go by.
--
-- KEYS  1 schedule     hash     schedule:<id>; need not exist
-- ARGV  1 ... strings  names of fields
-- Returns  now in milliseconds, and the values of the fields
-- Cost     O(fields)
-- Flags    no-writes
-- Uses     check, clock
local schedule = KEYS[1]

check(#ARGV > 0 and #ARGV < 100, 'fields')
return {now_ms(), redis.call('HMGET', schedule, unpack(ARGV))}
