-- purge: remove a finished scenario whose retention ended, a chunk of tasks a call. Nothing of it remains.
--
-- KEYS  1 timers       zset     what is due later
-- ARGV  1 prefix       string   key prefix of the partition
--       2 scenario_id  string
--       3 limit        integer  tasks a call
-- Returns  one of
--          DONE      all of it is gone
--          MORE      call again
--          NOT_DUE   its retention has not ended, or it is not finished; nothing was done
-- Repeat   goes on, then NOT_DUE.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, dead_letters
local timers = KEYS[1]
local prefix, scenario_id, limit = ARGV[1], ARGV[2], item_count(ARGV[3])
local scenario, timer = prefix .. 'scenario:' .. scenario_id, 'purge:' .. scenario_id

check(limit > 0, 'limit')
local due = tonumber(redis.call('ZSCORE', timers, timer) or '')
if not due or due > now_ms() then return 'NOT_DUE' end
local state = redis.call('HMGET', scenario, 'status', 'task_ids', 'purged')
if state[1] == 'pending' or state[1] == 'processing' then return 'NOT_DUE' end
local index = prefix .. 'index:' .. (state[1] or 'failed')
redis.call('ZCARD', index)

-- The cursor is a position in the JSON list of ids, which are plain strings.
local position, doomed = tonumber(state[3] or 1), {}
for _ = 1, limit do
  local _, last, id = string.find(state[2] or '', '"([^"]+)"', position)
  if not id then position = nil break end
  position = last + 1
  local key = prefix .. 'task:' .. id
  local task = redis.call('HMGET', key, 'scenario_id', 'fingerprint')
  if task[1] == scenario_id then
    doomed[#doomed + 1] = {key, prefix .. 'attempts:' .. id}
    note_gone(prefix, id, task[2])
  end
end

for _, keys in ipairs(doomed) do redis.call('UNLINK', keys[1], keys[2]) end
write_gone(prefix)
if position then
  redis.call('HSET', scenario, 'purged', position)
  return 'MORE'
end
redis.call('UNLINK', scenario)
redis.call('ZREM', index, scenario_id)
redis.call('ZREM', timers, timer)
return 'DONE'
