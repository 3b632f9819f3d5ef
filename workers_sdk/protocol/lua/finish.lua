-- finish: remove finished entries and report them, in one step: nothing is ever done but not recorded.
--
-- KEYS  1 events    stream  task-events
-- ARGV  1 prefix    string  key prefix of the partition
--       2 group     string  consumer group of the workers
--       3 ... items per item: service, entry id, number n of strings, n strings (fields and values of the event)
-- Returns  per item one of
--          OK     reported
--          STALE  the entry is gone: reported before, or taken away; nothing was done
-- Repeat   STALE for what was OK; nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check
local events = KEYS[1]
local prefix, group = ARGV[1], ARGV[2]
local answers, streams = {}, {}

redis.call('XLEN', events)
local i = 3
while i <= #ARGV do
  local queue = prefix .. 'queue:' .. ARGV[i]
  if not streams[queue] then streams[queue] = redis.call('XLEN', queue) end
  stream_id(ARGV[i + 1])
  local n = item_count(ARGV[i + 2])
  check(n % 2 == 0 and i + 2 + n <= #ARGV, 'fields and values')
  i = i + 3 + n
end

i = 3
while i <= #ARGV do
  local queue, entry_id, n = prefix .. 'queue:' .. ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  -- Deleting is the test: whoever took the entry away deleted it.
  if redis.call('XDEL', queue, entry_id) == 1 then
    redis.call('XACK', queue, group, entry_id)
    redis.call('XADD', events, '*', 'acked', '1', unpack(ARGV, i + 3, i + 2 + n))
    answers[#answers + 1] = 'OK'
  else
    answers[#answers + 1] = 'STALE'
  end
  i = i + 3 + n
end
return answers
