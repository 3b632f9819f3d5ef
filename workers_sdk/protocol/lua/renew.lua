-- renew: keep the lease of entries that a worker holds; the lease is the idle time of the pending entry.
--
-- KEYS  1 home      any key of the partition; routes the call
-- ARGV  1 prefix    string  key prefix of the partition
--       2 group     string  consumer group of the workers
--       3 worker    string  consumer name of the caller
--       4 ... items per item: service, entry id, task id, token
-- Returns  per item one of
--          OK     the lease starts anew (or the entry is just being finished)
--          LOST   cancelled, finished or given to another: stop working on it
-- Repeat   the same answers.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check, holder
local home = KEYS[1]
local prefix, group, worker = ARGV[1], ARGV[2], ARGV[3]
local answers, held = {}, {}

check((#ARGV - 3) % 4 == 0, 'items of four')
for i = 4, #ARGV, 4 do
  local queue, entry_id = prefix .. 'queue:' .. ARGV[i], stream_id(ARGV[i + 1])
  local task = redis.call('HMGET', prefix .. 'task:' .. ARGV[i + 2], 'status', 'token', 'worker')
  local ours = task[2] == ARGV[i + 3] and (task[1] == 'pending' or (task[1] == 'processing' and task[3] == worker))
  local owner = holder(queue, group, entry_id)
  -- A plain XCLAIM would steal the lease back from a new owner, so it is only done on what is still ours.
  if ours and owner == worker then held[#held + 1] = {queue, entry_id} end
  answers[#answers + 1] = ours and (not owner or owner == worker) and 'OK' or 'LOST'
end

for _, entry in ipairs(held) do
  redis.call('XCLAIM', entry[1], group, worker, 0, entry[2], 'JUSTID')
end
return answers
