-- webhook_take: take deliveries whose next attempt is due. One that is not recorded in time is taken again.
--
-- KEYS  1 webhooks    hash     endpoint id -> revision and JSON
-- ARGV  1 prefix      string   key prefix of the partition
--       2 hold_ms     integer  how long a taken one is left alone, milliseconds
--       3 keep_ms     integer  how long a delivery is kept that nothing happens to, milliseconds
--       4 total       integer  how many to take
--       5 ... items   per endpoint: its id, and how many of its deliveries to take
-- Returns  the time in ms; the milliseconds until the next one is due, at most 60000; and per delivery taken: its id,
--          endpoint id, turn (goes back with the record of the attempt), failed attempts in a row, payload
-- Repeat   others, or none.
-- Cost     O(endpoints + total)
-- Flags    allow-oom
-- Uses     check, clock
local webhooks = KEYS[1]
local prefix, hold_ms, keep_ms, total = ARGV[1], whole(ARGV[2], 'hold_ms'), whole(ARGV[3], 'keep_ms'), item_count(ARGV[4])
local taken, answers, gone = {}, {}, {}

check(#ARGV % 2 == 0 and #ARGV < 1000 and hold_ms > 0 and keep_ms > 0, 'endpoints')
local at_ms = now_ms()
local next_ms, later = 60000, '(' .. at_ms

local function look(endpoint_id, room)
  local waiting = prefix .. 'waiting-deliveries:' .. endpoint_id
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', at_ms, 'LIMIT', 0, math.min(room, total))) do
    local key = prefix .. 'delivery:' .. id
    local v = redis.call('HMGET', key, 'status', 'turn', 'tries', 'payload')
    if v[1] == 'pending' then
      total = total - 1
      local turn = tonumber(v[2]) + 1
      taken[#taken + 1] = {waiting, id, key, turn}
      answers[#answers + 1] = {id, endpoint_id, turn, tonumber(v[3]), v[4]}
    else
      gone[#gone + 1] = {waiting, id}
    end
  end
  local coming = redis.call('ZRANGEBYSCORE', waiting, later, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if coming[2] then next_ms = math.min(next_ms, coming[2] - at_ms) end
end

for i = 5, #ARGV, 2 do
  local room = item_count(ARGV[i + 1])
  if room > 0 and redis.call('HEXISTS', webhooks, ARGV[i]) == 1 then look(ARGV[i], room) end
end

for _, delivery in ipairs(taken) do
  local waiting, id, key, turn = unpack(delivery)
  redis.call('ZADD', waiting, at_ms + hold_ms, id)
  redis.call('HSET', key, 'turn', turn, 'held_until', at_ms + hold_ms)
  redis.call('PEXPIRE', key, keep_ms)
  redis.call('PEXPIRE', waiting, keep_ms)
end
for _, delivery in ipairs(gone) do redis.call('ZREM', delivery[1], delivery[2]) end
return {at_ms, next_ms, answers}
