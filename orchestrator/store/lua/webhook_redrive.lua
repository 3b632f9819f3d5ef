-- webhook_redrive: let deliveries of an endpoint start anew, whatever became of them: the first attempt is due now.
--
-- KEYS  1 waiting      zset     deliveries of the endpoint that are not done
-- ARGV  1 prefix       string   key prefix of the partition
--       2 endpoint_id  string
--       3 keep_ms      integer  how long a delivery is kept that nothing happens to, milliseconds
--       4 ... items    per delivery: its id
-- Returns  per delivery one of the words
--          OK       it is due
--          HELD     an attempt is under way; nothing was done
--          UNKNOWN  the endpoint has no such delivery
-- Repeat   the same answers; nothing changes.
-- Cost     O(deliveries)
-- Uses     check, clock, iso
local waiting = KEYS[1]
local prefix, endpoint_id, keep_ms = ARGV[1], ARGV[2], whole(ARGV[3], 'keep_ms')
local answers, due = {}, {}

check(keep_ms > 0 and #ARGV > 3 and #ARGV < 1000, 'deliveries')
redis.call('ZCARD', waiting)
local at_ms = now_ms()
for i = 4, #ARGV do
  local key = prefix .. 'delivery:' .. ARGV[i]
  local found = redis.call('HMGET', key, 'endpoint_id', 'status', 'held_until')
  local answer = 'OK'
  if found[1] ~= endpoint_id then
    answer = 'UNKNOWN'
  elseif found[2] == 'pending' and tonumber(found[3] or 0) > at_ms then
    answer = 'HELD'
  else
    due[#due + 1] = {key, ARGV[i]}
  end
  answers[#answers + 1] = answer
end

for _, delivery in ipairs(due) do
  redis.call('HSET', delivery[1], 'status', 'pending', 'tries', 0, 'updated_at', iso(at_ms))
  redis.call('HDEL', delivery[1], 'finished_at')
  redis.call('PEXPIRE', delivery[1], keep_ms)
  redis.call('ZADD', waiting, at_ms, delivery[2])
end
if #due > 0 then redis.call('PEXPIRE', waiting, keep_ms) end
return answers
