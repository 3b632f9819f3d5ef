-- claim: start delivered entries for a worker, and say which must not run.
--
-- KEYS  1 home      any key of the partition; routes the call
-- ARGV  1 prefix    string  key prefix of the partition
--       2 group     string  consumer group of the workers
--       3 worker    string  consumer name of the caller
--       4 ... items per item: service, entry id, task id, token, number n of references, n task ids
-- Returns  per item one of
--          GO, then per reference four strings: name, status, result_ref, result (empty when it is not of this scenario)
--          DROP, reason     the entry was removed and must not run: unknown, superseded, finished
--          HELD             another worker runs this very attempt
-- Repeat   the same worker and items again: the same answers, nothing changes.
-- Cost     O(items + references)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts
local home = KEYS[1]
local prefix, group, worker = ARGV[1], ARGV[2], ARGV[3]
local tasks, streams, answers, starts, drops = {}, {}, {}, {}, {}

local function read_task(id)
  if not tasks[id] then
    local v = redis.call('HMGET', prefix .. 'task:' .. id, 'status', 'token', 'worker', 'scenario_id')
    tasks[id] = {status = v[1], token = v[2], worker = v[3], scenario_id = v[4]}
  end
  return tasks[id]
end

local function references(answer, first, n, scenario_id)
  for i = first, first + n - 1 do
    local v = redis.call('HMGET', prefix .. 'task:' .. ARGV[i], 'scenario_id', 'name', 'status', 'result_ref', 'result')
    local ours = v[1] and v[1] == scenario_id
    for k = 2, 5 do answer[#answer + 1] = ours and v[k] or '' end
  end
  return answer
end

local function drop(queue, entry_id, reason)
  if not streams[queue] then streams[queue] = redis.call('XLEN', queue) end
  drops[#drops + 1] = {queue, entry_id}
  return {'DROP', reason}
end

local i = 4
while i <= #ARGV do
  local n = item_count(ARGV[i + 4])
  check(i + 4 + n <= #ARGV, 'too few items')
  local queue, entry_id, id, token = prefix .. 'queue:' .. ARGV[i], stream_id(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3]
  local task = read_task(id)
  local answer
  if not task.status then answer = drop(queue, entry_id, 'unknown')
  elseif task.token ~= token then answer = drop(queue, entry_id, 'superseded')
  elseif task.status == 'pending' then
    task.status, task.worker = 'processing', worker
    move_count(counts_of(prefix, task.scenario_id), 'pending', 'processing')
    starts[#starts + 1] = id
    answer = references({'GO'}, i + 5, n, task.scenario_id)
  elseif task.status ~= 'processing' then answer = drop(queue, entry_id, 'finished')
  elseif task.worker == worker then answer = references({'GO'}, i + 5, n, task.scenario_id)
  else answer = {'HELD'} end
  answers[#answers + 1] = answer
  i = i + 5 + n
end

local now = iso(now_ms())
for _, id in ipairs(starts) do
  redis.call('HSET', prefix .. 'task:' .. id, 'status', 'processing', 'worker', worker, 'started_at', now, 'updated_at', now)
end
for _, entry in ipairs(drops) do
  redis.call('XACK', entry[1], group, entry[2])
  redis.call('XDEL', entry[1], entry[2])
end
write_counts(prefix, now)
return answers
