-- due: what is due now. Whoever acts on it does so by a script that checks again.
--
-- KEYS  1 timers    zset     what is due later
-- ARGV  1 since     number   milliseconds; what is longer due is left out ('-inf': nothing is)
--       2 passed    integer  how many of those that are due since exactly then to leave out
--       3 limit     integer  how many to return
-- Returns  members, the longest due first, each a kind and what it is about (start:<task id>, purge:<scenario id>; the
--          whole list is in ARCHITECTURE.md); the milliseconds until the next one is due, at most 60000; since when each
--          of the members is due
-- Cost     O(passed + limit)
-- Flags    no-writes
-- Uses     check, clock
local timers = KEYS[1]
local since, passed, limit = ARGV[1], whole(ARGV[2], 'passed'), item_count(ARGV[3])

check(since == '-inf' or tonumber(since), 'since')
local at_ms = now_ms()
local found = redis.call('ZRANGEBYSCORE', timers, since, at_ms, 'WITHSCORES', 'LIMIT', passed, limit)
local later = '(' .. at_ms
local coming = redis.call('ZRANGEBYSCORE', timers, later, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local members, scores = {}, {}
for i = 1, #found, 2 do
  members[#members + 1], scores[#scores + 1] = found[i], found[i + 1]
end
return {members, math.min(60000, tonumber(coming[2] or '') and coming[2] - at_ms or 60000), scores}
