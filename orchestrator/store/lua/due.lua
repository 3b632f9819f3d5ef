-- due: what is due now. Whoever acts on it does so by a script that checks again.
--
-- KEYS  1 timers    zset     what is due later
-- ARGV  1 offset    integer  how many to leave out, the longest due first
--       2 limit     integer  how many to return
-- Returns  members, the longest due first: lease:<task id>, purge:<scenario id>
-- Cost     O(limit)
-- Flags    no-writes
-- Uses     check, clock
local timers = KEYS[1]
local offset, limit = whole(ARGV[1], 'offset'), item_count(ARGV[2])

return redis.call('ZRANGEBYSCORE', timers, '-inf', now_ms(), 'LIMIT', offset, limit)
