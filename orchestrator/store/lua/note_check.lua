-- note_check: keep what a check of everything found, in place of the one before.
--
-- KEYS  1 last   string   scenarist:last-check
-- ARGV  1 facts  string   JSON object; the time is added to it
-- Returns  OK
-- Repeat   with a later time.
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock, iso
local last = KEYS[1]
local facts = ARGV[1]

check(string.find(facts, '^{".*}$') ~= nil and #facts < 10000, 'facts')
redis.call('GET', last)
redis.call('SET', last, '{"at":"' .. iso(now_ms()) .. '",' .. string.sub(facts, 2))
return 'OK'
