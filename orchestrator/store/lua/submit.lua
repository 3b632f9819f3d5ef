-- submit: accept a generated scenario. It exists from here on; a replica will materialize it.
--
-- KEYS  1 scenarios    stream  generated scenarios
--       2 scenario     hash    scenario:<id>
--       3 idempotency  string  idempotency:<hash of the key>; not touched without a digest, nor for a batch
-- ARGV  1 prefix        string   key prefix of the partition
--       2 scenario_id   string
--       3 digest        string   digest of the request's body; empty when the client gave no idempotency key
--       4 keep_ms       integer  how long the idempotency key is remembered, milliseconds
--       5 total         integer  number of tasks
--       6 tenant        string   whose scenario it is; empty: nobody's
--       7 most          integer  most unfinished scenarios of the partition; 0: as many as there are
--       8 tenant_most   integer  the same for the tenant
--       9 batch         string   id of the batch that it belongs to; empty: none. The digest stays with the scenario then
--      10 line          integer  its place in the batch
--      11 origin        string   id of the scenario that it runs anew; empty: none
--      12 parent        string   id of the task that it is the work of; empty: none. It is paused when the scenario of that is
--      13 inbox         integer  number n of strings for the entry in `scenarios`
--      14 ... strings   n fields and values of that entry (the tasks, in writing order; opaque here), then fields and
--                       values of the scenario hash
-- Returns  one of
--          CREATED, scenario_id
--          REPLAYED, scenario_id   the same submission was accepted before
--          CONFLICT, scenario_id   the idempotency key, or the line of the batch, came with another body before
--          FULL, scenario_id       there are as many unfinished scenarios as there may be; nothing was done
--          TENANT_FULL, scenario_id   the same of the tenant
--          CANCELLED, scenario_id  the batch was cancelled; nothing was done
--          PURGED, scenario_id     the origin is being removed, or gone; nothing was done
--          ENDED, scenario_id      the task that it would be the work of ended, or has another one; nothing was done
-- Repeat   REPLAYED; nothing changes.
-- Cost     O(size of the scenario)
-- Uses     check, clock, iso, accounts, within
local scenarios, scenario, idempotency = KEYS[1], KEYS[2], KEYS[3]
local prefix, scenario_id, digest, keep_ms, total = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local tenant, most, tenant_most = ARGV[6], whole(ARGV[7], 'most'), whole(ARGV[8], 'tenant_most')
local batch, line, origin, parent, inbox = ARGV[9], whole(ARGV[10], 'line'), ARGV[11], ARGV[12], item_count(ARGV[13])
local batch_key, members = prefix .. 'batch:' .. batch, prefix .. 'batch-scenarios:' .. batch
local own = {}

check(whole(total, 'total') > 0 and whole(keep_ms, 'keep_ms') > 0, 'numbers')
check(inbox % 2 == 0 and #ARGV >= 13 + inbox and #ARGV % 2 == 1 and #ARGV < 7000, 'fields and values')

-- Why it is not accepted, or nil.
local function refusal(state, cancelled, from, above)
  if state[1] then return batch ~= '' and state[2] ~= digest and 'CONFLICT' or 'REPLAYED' end
  if cancelled then return 'CANCELLED' end
  if origin ~= '' and (not from[1] or from[2]) then return 'PURGED' end
  local alive = above[2] == 'pending' or above[2] == 'processing'
  if above[1] and not (alive and (above[3] or scenario_id) == scenario_id) then return 'ENDED' end
  local unfinished = redis.call('ZCARD', prefix .. 'index:pending') + redis.call('ZCARD', prefix .. 'index:processing')
  if most > 0 and unfinished >= most then return 'FULL' end
  return tenant ~= '' and tenant_most > 0 and unfinished_of(prefix, tenant).n >= tenant_most and 'TENANT_FULL' or nil
end

if digest ~= '' and batch == '' then
  local known = redis.call('GET', idempotency)
  if known then
    local their_digest, their_id = string.match(known, '^(%S+) (%S+)$')
    return {their_digest == digest and 'REPLAYED' or 'CONFLICT', their_id}
  end
end
redis.call('XLEN', scenarios)
local cancelled = batch ~= '' and redis.call('HGET', batch_key, 'cancel')
local in_batch = batch ~= '' and redis.call('ZCARD', members)
local from = origin ~= '' and redis.call('HMGET', prefix .. 'scenario:' .. origin, 'status', 'purged')
local task = parent ~= '' and redis.call('HMGET', prefix .. 'task:' .. parent, 'scenario_id', 'status', 'child_scenario_id') or {}
local answer = refusal(redis.call('HMGET', scenario, 'status', 'digest'), cancelled, from, task)
if answer then return {answer, scenario_id} end
local above = task[1]
local upper = above and redis.call('HMGET', prefix .. 'scenario:' .. above, 'paused', 'cancel') or {}
local is_paused = upper[1] and not upper[2]
if is_paused then redis.call('ZCARD', prefix .. 'timers') end
local created_ms = now_ms()
local now = iso(created_ms)
move_account(prefix, tenant, batch, nil, 'unfinished')
if tenant ~= '' then own = {'tenant', tenant} end
if in_batch then own[#own + 1], own[#own + 2], own[#own + 3], own[#own + 4] = 'batch', batch, 'digest', digest end

redis.call('HSET', scenario, 'scenario_id', scenario_id, 'status', 'pending', 'total', total, 'pending', total,
  'created_at', now, 'updated_at', now, 'created_ms', created_ms, 'materialized', 0, unpack(ARGV, 14 + inbox))
if #own > 0 then redis.call('HSET', scenario, unpack(own)) end
redis.call('XADD', scenarios, '*', 'scenario_id', scenario_id, unpack(ARGV, 14, 13 + inbox))
redis.call('ZADD', prefix .. 'index:pending', created_ms, scenario_id)
write_accounts(prefix)
if is_paused then
  redis.call('HSET', scenario, 'paused', handed_down(above, upper[1]))
  redis.call('HSET', prefix .. 'scenario:' .. above, 'within', 1)
  redis.call('ZADD', prefix .. 'timers', created_ms, 'pause:' .. scenario_id)
end
if in_batch then
  -- It ends with the last of its scenarios: see `purge`.
  redis.call('HSETNX', batch_key, 'created_at', now)
  redis.call('HINCRBY', batch_key, 'total', 1)
  redis.call('PERSIST', batch_key)
  redis.call('ZADD', members, line, scenario_id)
elseif digest ~= '' then
  redis.call('SET', idempotency, digest .. ' ' .. scenario_id, 'PX', keep_ms)
end
return {'CREATED', scenario_id}
