-- give_back: a worker that leaves hands its entries to the others at once, without waiting for the lease to end.
--
-- KEYS  1 home      any key of the partition; routes the call
-- ARGV  1 prefix    string  key prefix of the partition
--       2 group     string  consumer group of the workers
--       3 worker    string  consumer name of the caller
--       4 nonce     string  random, never used before; makes the new tokens
--       5 ... items per item: service, entry id, task id, token
-- Returns  per item one of
--          OK     back in the queue under a new token; a started task counts as a new attempt
--          STALE  not the caller's any more; nothing was done
-- Repeat   STALE for what was OK; nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, redispatch
local home = KEYS[1]
local prefix, group, worker, nonce = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local answers, moves, seen = {}, {}, {}

check(#nonce > 0 and (#ARGV - 4) % 4 == 0, 'a nonce and items of four')
for i = 5, #ARGV, 4 do
  local queue, entry_id, id = prefix .. 'queue:' .. ARGV[i], stream_id(ARGV[i + 1]), ARGV[i + 2]
  local task = redis.call('HMGET', prefix .. 'task:' .. id, 'status', 'token', 'worker', 'attempt', 'scenario_id')
  local started = task[1] == 'processing' and task[3] == worker
  local fields = read_entry(queue, entry_id)
  if task[2] == ARGV[i + 3] and (started or task[1] == 'pending') and fields and not seen[id] then
    seen[id] = true
    local found = counts_of(prefix, task[5])
    if started then move_count(found, 'processing', 'pending') end
    moves[#moves + 1] = {id, queue, entry_id, fields, started and task[4] + 1 or task[4]}
    answers[#answers + 1] = 'OK'
  else
    answers[#answers + 1] = 'STALE'
  end
end

local now = iso(now_ms())
for k, move in ipairs(moves) do
  local id, queue, entry_id, fields, attempt = unpack(move)
  local token = attempt .. '.' .. nonce .. '.' .. k
  local entry = redispatch(queue, group, entry_id, fields, attempt, token)
  redis.call('HSET', prefix .. 'task:' .. id, 'status', 'pending', 'attempt', attempt, 'token', token, 'entry', entry,
    'worker', '', 'started_at', '', 'progress', '', 'message', '', 'updated_at', now)
end
write_counts(prefix, now)
return answers
