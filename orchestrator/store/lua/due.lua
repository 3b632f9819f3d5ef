-- due: what is due now. Whoever acts on it does so by a script that checks again.
--
-- KEYS  1 timers    zset     what is due later
-- ARGV  1 offset    integer  how many to leave out, the longest due first
--       2 limit     integer  how many to return
-- Returns  members, the longest due first, each a kind and what it is about (start:<task id>, purge:<scenario id>; the
--          whole list is in ARCHITECTURE.md); and the milliseconds until the next one is due, at most 60000
-- Cost     O(limit)
-- Flags    no-writes
-- Uses     check, clock
local timers = KEYS[1]
local offset, limit = whole(ARGV[1], 'offset'), item_count(ARGV[2])

local at_ms = now_ms()
local members = redis.call('ZRANGEBYSCORE', timers, '-inf', at_ms, 'LIMIT', offset, limit)
local later = '(' .. at_ms
local coming = redis.call('ZRANGEBYSCORE', timers, later, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return {members, math.min(60000, tonumber(coming[2] or '') and coming[2] - at_ms or 60000)}
