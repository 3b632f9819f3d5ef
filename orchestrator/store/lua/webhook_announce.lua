-- webhook_announce: make of an event one delivery for each endpoint that wants it, and remove its entry from the outbox.
--
-- KEYS  1 outbox        stream   events that are to be told
--       2 webhooks      hash     endpoint id -> revision and JSON
--       3 failing       hash     `<endpoint id>:dropped` -> how many messages were dropped, and when the last was
-- ARGV  1 prefix        string   key prefix of the partition
--       2 group         string   consumer group of the orchestrator
--       3 entry_id      string   entry in `outbox`; empty: the event stands in no outbox
--       4 event         string   its type
--       5 scenario_id   string   empty when the event is about none
--       6 keep_ms       integer  how long a delivery is kept that nothing happens to, milliseconds
--       7 listed_ms     integer  how long it stands in the list of its endpoint, milliseconds
--       8 most          integer  deliveries of an endpoint that may wait, beyond which it is dropped and counted; 0: any number
--       9 payload       string   body of the message; opaque here
--      10 ... items     per delivery: endpoint id, id of the delivery
-- Returns  one of
--          OK, ids of endpoints   the deliveries wait, but for those of these endpoints, which were dropped
--          GONE                   the entry was dealt with before; nothing was done
-- Repeat   GONE; without an entry OK, and deliveries that exist stay as they are.
-- Cost     O(deliveries)
-- Uses     check, clock, iso
local outbox, webhooks, failing = KEYS[1], KEYS[2], KEYS[3]
local prefix, group, entry_id, event, scenario_id = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local keep_ms, listed_ms, most, payload = whole(ARGV[6], 'keep_ms'), whole(ARGV[7], 'listed_ms'), whole(ARGV[8], 'most'), ARGV[9]
local OLD_ONES = 100  -- that leave a list with every new one
local news, dropped, answer = {}, {}, {'OK'}

check(#ARGV % 2 == 1 and #ARGV < 1000 and keep_ms > 0 and listed_ms > 0, 'deliveries')
if entry_id ~= '' and #redis.call('XRANGE', outbox, stream_id(entry_id), entry_id) == 0 then return {'GONE'} end
local at_ms = now_ms()
local now = iso(at_ms)
for i = 10, #ARGV, 2 do
  local endpoint_id, id = ARGV[i], ARGV[i + 1]
  local key = prefix .. 'delivery:' .. id
  local old = redis.call('ZRANGEBYSCORE', prefix .. 'deliveries:' .. endpoint_id, '-inf', at_ms - listed_ms, 'LIMIT', 0, OLD_ONES)
  local waits = redis.call('ZCARD', prefix .. 'waiting-deliveries:' .. endpoint_id)
  local before = redis.call('HGET', failing, endpoint_id .. ':dropped') or ''
  -- An endpoint may have gone since it was read.
  if redis.call('HEXISTS', webhooks, endpoint_id) == 1 and redis.call('HEXISTS', key, 'id') == 0 then
    if most > 0 and waits >= most then
      dropped[#dropped + 1] = {endpoint_id .. ':dropped', (tonumber(string.match(before, '^%d+')) or 0) + 1 .. ' ' .. at_ms}
      answer[#answer + 1] = endpoint_id
    else
      news[#news + 1] = {endpoint_id, id, key, old}
    end
  end
end

for _, delivery in ipairs(news) do
  local endpoint_id, id, key, old = unpack(delivery)
  local all, waiting = prefix .. 'deliveries:' .. endpoint_id, prefix .. 'waiting-deliveries:' .. endpoint_id
  redis.call('HSET', key, 'id', id, 'endpoint_id', endpoint_id, 'type', event, 'scenario_id', scenario_id, 'payload', payload,
    'status', 'pending', 'created_at', now, 'updated_at', now, 'attempts', 0, 'tries', 0, 'turn', 0, 'held_until', 0)
  redis.call('ZADD', all, at_ms, id)
  redis.call('ZADD', waiting, at_ms, id)
  if #old > 0 then redis.call('ZREM', all, unpack(old)) end
  redis.call('PEXPIRE', key, keep_ms)
  redis.call('PEXPIRE', waiting, keep_ms)
  redis.call('PEXPIRE', all, listed_ms)
end
for _, count in ipairs(dropped) do redis.call('HSET', failing, count[1], count[2]) end
if entry_id ~= '' then
  redis.call('XACK', outbox, group, entry_id)
  redis.call('XDEL', outbox, entry_id)
end
return answer
