-- reject: end a scenario that cannot be materialized, with the cause.
--
-- KEYS  1 scenarios    stream   generated scenarios
--       2 scenario     hash     scenario:<id>
--       3 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 group        string   consumer group of the orchestrator
--       3 scenario_id  string
--       4 entry_id     string   entry in `scenarios`; removed
--       5 cause        string   JSON object with type and message
--       6 retention    string   how long a finished scenario is kept; see the fragment retention
-- Returns  one of
--          OK        the scenario failed
--          REMOVED   there is no such scenario, or it is final; only the entry was removed
-- Repeat   REMOVED; nothing changes.
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock, iso, accounts, retention
local scenarios, scenario, timers = KEYS[1], KEYS[2], KEYS[3]
local prefix, group, scenario_id, entry_id = ARGV[1], ARGV[2], ARGV[3], stream_id(ARGV[4])
local cause, retention = ARGV[5], retention_of(ARGV[6])

redis.call('XLEN', scenarios)
redis.call('ZCARD', timers)
redis.call('ZCARD', prefix .. 'index:failed')
local state = redis.call('HMGET', scenario, 'status', 'created_ms', 'name', 'tenant', 'batch', 'parent')
local live = state[1] == 'pending' or state[1] == 'processing'
if live then redis.call('ZCARD', prefix .. 'index:' .. state[1]) end
local told = live and redis.call('HLEN', prefix .. 'webhooks') > 0
if told then redis.call('XLEN', prefix .. 'outbox') end
local parent = live and state[6]
if parent then redis.call('XLEN', prefix .. 'task-events') end
if live then move_account(prefix, state[4], state[5], 'unfinished', 'failed') end
local at_ms = now_ms()
local now = iso(at_ms)

redis.call('XACK', scenarios, group, entry_id)
redis.call('XDEL', scenarios, entry_id)
if not live then return 'REMOVED' end
redis.call('HSET', scenario, 'status', 'failed', 'finished_at', now, 'updated_at', now, 'error', cause)
redis.call('ZREM', prefix .. 'index:' .. state[1], scenario_id)
redis.call('ZADD', prefix .. 'index:failed', state[2], scenario_id)
redis.call('ZADD', timers, at_ms + retention.failed, 'purge:' .. scenario_id)
write_accounts(prefix)
if parent then redis.call('XADD', prefix .. 'task-events', '*', 'task_id', parent, 'status', 'look') end
if told then
  redis.call('XADD', prefix .. 'outbox', '*', 'type', 'scenario.failed', 'scenario_id', scenario_id,
    'name', state[3] or '', 'tenant', state[4] or '', 'at', now)
end
return 'OK'
