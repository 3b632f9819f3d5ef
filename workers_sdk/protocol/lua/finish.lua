-- finish: remove finished entries and report them, in one step: nothing is ever done but not recorded.
--
-- Reports that follow each other share an entry of `task-events`; each begins with its `task_id`. They are passed on as
-- they stand in ARGV, since copying them in Lua costs more than all commands of this script.
--
-- KEYS  1 events    stream   task-events
-- ARGV  1 prefix    string   key prefix of the partition
--       2 group     string   consumer group of the workers
--       3 items     integer  number of items
--       4 ... items per item: service, entry id, number n of strings; then of all items the n strings (fields and values
--                   of the report, the first of them `task_id`)
-- Returns  per item one of
--          OK     reported
--          STALE  the entry is not pending: reported before, or taken away; nothing was done
-- Repeat   STALE for what was OK; nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check
local events = KEYS[1]
local prefix, group, items = ARGV[1], ARGV[2], item_count(ARGV[3])
local answers, queues, done = {}, {}, {}

redis.call('XLEN', events)
local last = 3 + 3 * items
for i = 4, last, 3 do
  local service, n = ARGV[i], item_count(ARGV[i + 2])
  stream_id(ARGV[i + 1])
  if not queues[service] then
    queues[service], done[service] = prefix .. 'queue:' .. service, {}
    redis.call('XLEN', queues[service])
  end
  check(n > 0 and n < 1000 and n % 2 == 0 and ARGV[last + 1] == 'task_id', 'a report')
  last = last + n
end
check(last == #ARGV, 'as many strings as it says')

local first = 4 + 3 * items
local next = first
local function write_run()
  if next > first then redis.call('XADD', events, '*', unpack(ARGV, first, next - 1)) end
end

for i = 4, 3 + 3 * items, 3 do
  local service, entry_id, n = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  -- Acknowledging is the test: whoever took the entry away acknowledged it.
  if redis.call('XACK', queues[service], group, entry_id) == 1 then
    answers[#answers + 1] = 'OK'
    local removed = done[service]
    removed[#removed + 1] = entry_id
    if next - first > 4000 then
      write_run()
      first = next
    end
    next = next + n
  else
    answers[#answers + 1] = 'STALE'
    write_run()
    next = next + n
    first = next
  end
end
write_run()
for service, removed in pairs(done) do
  if #removed > 0 then redis.call('XDEL', queues[service], unpack(removed)) end
end
return answers
