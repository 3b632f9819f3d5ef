-- submit: accept a generated scenario. It exists from here on; a replica will materialize it.
--
-- KEYS  1 scenarios    stream  generated scenarios
--       2 scenario     hash    scenario:<id>
--       3 idempotency  string  idempotency:<hash of the key>; not touched when digest is empty
-- ARGV  1 prefix       string   key prefix of the partition
--       2 scenario_id  string
--       3 digest       string   digest of the request's body; empty when the client gave no idempotency key
--       4 keep_ms      integer  how long the idempotency key is remembered, milliseconds
--       5 total        integer  number of tasks
--       6 inbox        integer  number n of strings for the entry in `scenarios`
--       7 ... strings  n fields and values of that entry (the tasks, in writing order; opaque here), then fields and
--                      values of the scenario hash
-- Returns  one of
--          CREATED, scenario_id
--          REPLAYED, scenario_id   the same submission was accepted before
--          CONFLICT, scenario_id   the idempotency key came with another body before
-- Repeat   REPLAYED; nothing changes.
-- Cost     O(size of the scenario)
-- Uses     check, clock, iso
local scenarios, scenario, idempotency = KEYS[1], KEYS[2], KEYS[3]
local prefix, scenario_id, digest, keep_ms, total, inbox = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], item_count(ARGV[6])

check(whole(total, 'total') > 0 and whole(keep_ms, 'keep_ms') > 0, 'numbers')
check(inbox % 2 == 0 and #ARGV >= 6 + inbox and #ARGV % 2 == 0 and #ARGV < 7000, 'fields and values')
if digest ~= '' then
  local known = redis.call('GET', idempotency)
  if known then
    local their_digest, their_id = string.match(known, '^(%S+) (%S+)$')
    return {their_digest == digest and 'REPLAYED' or 'CONFLICT', their_id}
  end
end
if redis.call('HEXISTS', scenario, 'status') == 1 then return {'REPLAYED', scenario_id} end
redis.call('XLEN', scenarios)
redis.call('ZCARD', prefix .. 'index:pending')
local created_ms = now_ms()
local now = iso(created_ms)

redis.call('HSET', scenario, 'scenario_id', scenario_id, 'status', 'pending', 'total', total, 'pending', total,
  'created_at', now, 'updated_at', now, 'created_ms', created_ms, 'materialized', 0, unpack(ARGV, 7 + inbox))
redis.call('XADD', scenarios, '*', 'scenario_id', scenario_id, unpack(ARGV, 7, 6 + inbox))
redis.call('ZADD', prefix .. 'index:pending', created_ms, scenario_id)
if digest ~= '' then redis.call('SET', idempotency, digest .. ' ' .. scenario_id, 'PX', keep_ms) end
return {'CREATED', scenario_id}
