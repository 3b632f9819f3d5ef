-- cancel_batch: mark the unfinished scenarios of a batch as cancelled, a chunk a call; nothing of them begins any more, and
-- a timer for each lets the engine end it. The batch takes no further lines. A timer lets the engine go on when the caller dies.
--
-- KEYS  1 batch     hash     batch:<id>
--       2 members   zset     batch-scenarios:<id>; score = line
--       3 timers    zset     what is due later
-- ARGV  1 prefix    string   key prefix of the partition
--       2 batch_id  string
--       3 cause     string   JSON object with type and message, and who asked; empty goes on with one that began. With one it
--                            begins with the first line: some may have been brought back since they were cancelled
--       4 limit     integer  scenarios a call
-- Returns  one of
--          DONE      all are marked
--          MORE      call again
--          UNKNOWN   there is no such batch
-- Repeat   with a cause the same answer, without one it goes on, then DONE.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock
local batch, members, timers = KEYS[1], KEYS[2], KEYS[3]
local prefix, batch_id, cause, limit = ARGV[1], ARGV[2], ARGV[3], item_count(ARGV[4])
local timer, doomed = 'cancel-batch:' .. batch_id, {}

check(limit > 0, 'limit')
redis.call('ZCARD', timers)
local state = redis.call('HMGET', batch, 'total', 'cancel', 'cancel_at')
check(not state[1] or state[2] or cause ~= '', 'a cause')
local why, position = cause ~= '' and cause or state[2], cause == '' and tonumber(state[3] or 0) or 0
local found = redis.call('ZRANGEBYSCORE', members, position + 1, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
for i = 1, #found, 2 do
  local scenario = prefix .. 'scenario:' .. found[i]
  local v = redis.call('HMGET', scenario, 'status', 'cancel')
  if (v[1] == 'pending' or v[1] == 'processing') and not v[2] then doomed[#doomed + 1] = {scenario, found[i]} end
  position = found[i + 1]
end
local at_ms = now_ms()

if not state[1] then
  redis.call('ZREM', timers, timer)
  return 'UNKNOWN'
end
for _, one in ipairs(doomed) do
  redis.call('HSET', one[1], 'cancel', why)
  redis.call('ZADD', timers, at_ms, 'cancel:' .. one[2])
end
redis.call('HSETNX', batch, 'cancel', why)
redis.call('HSET', batch, 'cancel_at', position)
if #found == 2 * limit then
  redis.call('ZADD', timers, at_ms + 1000, timer)
  return 'MORE'
end
redis.call('ZREM', timers, timer)
return 'DONE'
