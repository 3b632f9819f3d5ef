-- give_back: a worker that leaves hands its entries to the others at once, without waiting for the lease to end.
--
-- KEYS  1 home      any key of the partition; routes the call
-- ARGV  1 prefix    string  key prefix of the partition
--       2 group     string  consumer group of the workers
--       3 worker    string  consumer name of the caller
--       4 nonce     string  random, never used before; makes the new tokens
--       5 ... items per item: service, entry id, task id, token
-- Returns  per item one of
--          OK     back in the queue under a new token, or waiting for that; a started task counts as a new attempt
--          STALE  not the caller's any more; nothing was done
-- Repeat   STALE for what was OK; nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, redispatch
local home = KEYS[1]
local prefix, group, worker, nonce = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local answers, moves, seen = {}, {}, {}

check(#nonce > 0 and (#ARGV - 4) % 4 == 0, 'a nonce and items of four')
for i = 5, #ARGV, 4 do
  local queue, entry_id, id = prefix .. 'queue:' .. ARGV[i], stream_id(ARGV[i + 1]), ARGV[i + 2]
  local key = prefix .. 'task:' .. id
  local v = redis.call('HMGET', key, 'status', 'token', 'worker', 'attempt', 'scenario_id', 'rules', 'flow_places', 'flow_score')
  local started = v[1] == 'processing' and v[3] == worker
  local fields = read_entry(queue, entry_id)
  if v[2] == ARGV[i + 3] and (started or v[1] == 'pending') and fields and not seen[id] then
    seen[id] = true
    local task = {id = id, key = key, service = ARGV[i], scenario_id = v[5], rules = v[6], flow_places = v[7], flow_score = v[8]}
    local found = counts_of(prefix, v[5])
    if started then move_count(found, 'processing', 'pending') end
    plan_exit(prefix, task)
    task.aside = aside_of(prefix, task)
    moves[#moves + 1] = {task, queue, entry_id, fields, started and v[4] + 1 or v[4]}
    answers[#answers + 1] = 'OK'
  else
    answers[#answers + 1] = 'STALE'
  end
end

local at_ms = now_ms()
local now = iso(at_ms)
write_exits(at_ms)
for k, move in ipairs(moves) do
  local task, queue, entry_id, fields, attempt = unpack(move)
  redispatch(queue, group, entry_id, fields, task, attempt, nonce .. '.' .. k, at_ms)
  redis.call('HSET', task.key, 'status', 'pending', 'worker', '', 'started_at', '', 'progress', '', 'message', '',
    'updated_at', now)
end
write_counts(prefix, now)
return answers
