-- set_flow: set what holds services back, or take it away: settings or pause of one service, or a pause of all. A timer has
-- the engine look at the services; it takes back what has not begun, or hands out what waits.
--
-- KEYS  1 flow        hash     settings of services, and pauses
--       2 timers      zset     what is due later
--       3 services    set      services that ever got a task
-- ARGV  1 subject     string   name of a service, or * for all
--       2 what        string   settings or pause
--       3 facts       string   JSON object, the time is added to it; empty: take it away
-- Returns  one of
--          SET       it holds from now on
--          CLEARED   nothing of the kind holds any more
-- Repeat   the same answer; nothing changes.
-- Cost     O(services)
-- Flags    allow-oom
-- Uses     check, clock, iso
local flow, timers, services = KEYS[1], KEYS[2], KEYS[3]
local subject, what, facts = ARGV[1], ARGV[2], ARGV[3]

check(what == 'pause' or what == 'settings' and subject ~= '*', 'what')
check(subject == '*' or #subject <= 64 and string.match(subject, '^[a-z0-9][a-z0-9_.-]*$') ~= nil, 'subject')
check(facts == '' or string.find(facts, '^{.*}$') ~= nil, 'facts')
redis.call('HLEN', flow)
redis.call('ZCARD', timers)
local touched = redis.call('SMEMBERS', services)
if subject ~= '*' then touched = {subject} end
local at_ms = now_ms()
local name = subject ~= '*' and what == 'pause' and subject .. ':paused' or subject

if facts == '' then
  redis.call('HDEL', flow, name)
else
  local rest = facts == '{}' and '' or ',' .. string.sub(facts, 2, -2)
  redis.call('HSET', flow, name, '{"at":"' .. iso(at_ms) .. '"' .. rest .. '}')
end
for _, service in ipairs(touched) do redis.call('ZADD', timers, at_ms, 'fill:' .. service) end
return facts == '' and 'CLEARED' or 'SET'
