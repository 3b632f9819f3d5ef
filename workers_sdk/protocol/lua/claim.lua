-- claim: start delivered entries for a worker, and say which must not run.
--
-- KEYS  1 home      any key of the partition; routes the call
-- ARGV  1 prefix    string  key prefix of the partition
--       2 group     string  consumer group of the workers
--       3 worker    string  consumer name of the caller
--       4 ... items per item: service, entry id, task id, token
-- Returns  per item one of
--          GO           run it
--          HELD         another worker runs this very attempt
--          unknown, superseded, finished   why it must not run; the entry was removed
-- Repeat   the same worker and items again: the same answers, nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts
local home = KEYS[1]
local prefix, group, worker = ARGV[1], ARGV[2], ARGV[3]
local answers, started, starts, drops, queues = {}, {}, {}, {}, {}

-- What becomes of an entry. Reads only.
local function judge(key, token)
  if started[key] then return started[key] == token and 'GO' or 'superseded' end
  local task = redis.call('HMGET', key, 'status', 'token', 'scenario_id')
  local status = task[1]
  if not status then return 'unknown' end
  if task[2] ~= token then return 'superseded' end
  if status == 'pending' then
    started[key] = token
    starts[#starts + 1] = key
    move_count(counts_of(prefix, task[3]), 'pending', 'processing')
    return 'GO'
  end
  if status ~= 'processing' then return 'finished' end
  return redis.call('HGET', key, 'worker') == worker and 'GO' or 'HELD'
end

check((#ARGV - 3) % 4 == 0, 'items of four')
for i = 4, #ARGV, 4 do
  stream_id(ARGV[i + 1])
  local answer = judge(prefix .. 'task:' .. ARGV[i + 2], ARGV[i + 3])
  answers[#answers + 1] = answer
  if answer ~= 'GO' and answer ~= 'HELD' then
    local queue = prefix .. 'queue:' .. ARGV[i]
    if not queues[queue] then queues[queue] = redis.call('XLEN', queue) end
    drops[#drops + 1] = {queue, ARGV[i + 1]}
  end
end

local now = iso(now_ms())
for _, key in ipairs(starts) do
  redis.call('HSET', key, 'status', 'processing', 'worker', worker, 'started_at', now, 'updated_at', now)
end
for _, entry in ipairs(drops) do
  redis.call('XACK', entry[1], group, entry[2])
  redis.call('XDEL', entry[1], entry[2])
end
write_counts(prefix, now)
return answers
