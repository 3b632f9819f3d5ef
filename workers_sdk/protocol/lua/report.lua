-- report: tell about work under way (progress), when the caller's attempt is still the current one.
--
-- KEYS  1 events    stream  task-events
-- ARGV  1 prefix    string  key prefix of the partition
--       2 ... items per item: task id, token, number n of strings, n strings (fields and values of the event)
-- Returns  per item one of
--          OK     reported
--          STALE  the attempt is not the current one, or not running; nothing was done
-- Repeat   reports again; applying a report twice changes nothing.
-- Cost     O(items)
-- Uses     check
local events = KEYS[1]
local prefix = ARGV[1]
local answers = {}

redis.call('XLEN', events)
local i = 2
while i <= #ARGV do
  local n = item_count(ARGV[i + 2])
  check(n > 0 and n % 2 == 0 and i + 2 + n <= #ARGV, 'fields and values')
  local task = redis.call('HMGET', prefix .. 'task:' .. ARGV[i], 'status', 'token')
  answers[#answers + 1] = task[1] == 'processing' and task[2] == ARGV[i + 1] and 'OK' or 'STALE'
  i = i + 3 + n
end

i = 2
for _, answer in ipairs(answers) do
  local n = tonumber(ARGV[i + 2])
  if answer == 'OK' then redis.call('XADD', events, '*', unpack(ARGV, i + 3, i + 2 + n)) end
  i = i + 3 + n
end
return answers
