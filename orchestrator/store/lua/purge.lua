-- purge: remove a finished scenario, after `begin_purge`, a chunk of tasks a call. Nothing of it remains.
--
-- KEYS  1 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 scenario_id  string
--       3 limit        integer  tasks a call
-- Returns  one of
--          DONE      all of it is gone
--          MORE      call again
--          NOT_BEGUN   there is no such scenario, or its removal has not begun; nothing was done
-- Repeat   goes on, then NOT_BEGUN.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, counts, rules, flow, dead_letters, task_ids
local timers = KEYS[1]
local prefix, scenario_id, limit = ARGV[1], ARGV[2], item_count(ARGV[3])
local scenario, held, gates = prefix .. 'scenario:' .. scenario_id, prefix .. 'held:' .. scenario_id, prefix .. 'gates'
local OPEN_MS = 86400000

check(limit > 0, 'limit')
redis.call('ZCARD', timers)
redis.call('ZCARD', gates)
redis.call('ZCARD', held)
local state = redis.call('HMGET', scenario, 'status', 'purged', 'batch')
if not state[2] or state[1] == 'pending' or state[1] == 'processing' then return 'NOT_BEGUN' end
local index = prefix .. 'index:' .. state[1]
redis.call('ZCARD', index)

local doomed, some, position, at_end = {}, ids_from(scenario, tonumber(state[2]), limit)
for _, id in ipairs(some) do
  local key = prefix .. 'task:' .. id
  local task = redis.call('HMGET', key, 'scenario_id', 'fingerprint', 'flow_places')
  if task[1] == scenario_id then
    doomed[#doomed + 1] = id
    note_gone(prefix, id, task[2])
    plan_exit(prefix, {id = id, flow_places = task[3]})
  end
end
-- A batch goes with the last of its scenarios; one that still takes more is kept for a while.
local batch, members = state[3] and prefix .. 'batch:' .. state[3], prefix .. 'batch-scenarios:' .. (state[3] or '')
local is_member = batch and redis.call('ZSCORE', members, scenario_id) and redis.call('HEXISTS', batch, 'total') == 1
local is_last = batch and redis.call('ZSCORE', members, scenario_id) and redis.call('ZCARD', members) == 1
local is_closed = batch and redis.call('HEXISTS', batch, 'closed_at') == 1

write_exits(now_ms())
for _, id in ipairs(doomed) do
  redis.call('UNLINK', prefix .. 'task:' .. id, prefix .. 'attempts:' .. id, prefix .. 'gate:' .. id, prefix .. 'audit:' .. id)
  redis.call('ZREM', gates, id)
  redis.call('ZREM', timers, 'lease:' .. id, 'start:' .. id, 'overdue:' .. id, 'gate:' .. id)
end
write_gone(prefix)
if not at_end then
  redis.call('HSET', scenario, 'purged', position)
  return 'MORE'
end
redis.call('UNLINK', scenario, held, prefix .. 'machine:' .. scenario_id, prefix .. 'history:' .. scenario_id)
redis.call('ZREM', index, scenario_id)
for _, kind in ipairs({'purge:', 'cancel:', 'revive:', 'pause:', 'resume:', 'state:'}) do redis.call('ZREM', timers, kind .. scenario_id) end
if batch then redis.call('ZREM', members, scenario_id) end
-- Its numbers keep counting it: see `fsck`.
if is_member then redis.call('HINCRBY', batch, 'gone:' .. state[1], 1) end
if is_last and is_closed then redis.call('UNLINK', batch) end
if is_last and not is_closed then redis.call('PEXPIRE', batch, OPEN_MS) end
return 'DONE'
