-- sweep: hand out again what a dead worker left: entries of a service that are idle for longer than the lease.
--
-- KEYS  1 queue       stream   queue:<service>
--       2 events      stream   task-events
-- ARGV  1 prefix      string   key prefix of the partition
--       2 workers     string   consumer group of the workers
--       3 lease_ms    integer  lease, milliseconds
--       4 max_lost    integer  a task whose workers were lost so often fails, unless its policy says otherwise
--       5 nonce       string   random, never used before; makes the tokens
--       6 limit       integer  entries to look at
-- Returns  per idle entry: one of the words, the task id and the scenario id (empty when unknown)
--          AGAIN     dispatched again, attempt + 1, new token; or waiting for that
--          GAVE_UP   lost too often: reported as failed with cause worker_lost
--          REMOVED   a leftover of a finished or superseded attempt
-- Repeat   an empty list; nothing changes.
-- Cost     O(limit + pending entries)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, entry, redispatch, attempts, lost
local queue, events = KEYS[1], KEYS[2]
local prefix, workers, lease_ms, max_lost, nonce, limit = ARGV[1], ARGV[2], ARGV[3], whole(ARGV[4], 'max_lost'), ARGV[5], ARGV[6]
local answers, removals, moves, failures, seen = {}, {}, {}, {}, {}

check(whole(lease_ms, 'lease_ms') and #nonce > 0 and item_count(limit) > 0, 'numbers')
redis.call('XLEN', events)

local function judge(entry_id, consumer, fields, id)
  local key = prefix .. 'task:' .. id
  local task = redis.call('HMGET', key, 'status', 'token', 'attempt', 'worker', 'scenario_id', 'service', 'rules', 'flow_places',
    'flow_score')
  local live = task[1] == 'pending' or task[1] == 'processing'
  if not live or task[2] ~= field(fields, 'token') or seen[id] then return 'REMOVED' end
  seen[id] = true
  local one = {id = id, key = key, worker = task[4] or '', scenario_id = task[5], service = task[6], rules = task[7],
    flow_places = task[8], flow_score = task[9]}
  local lost, gave_up = lost_again(one, max_lost)
  if gave_up then
    failures[#failures + 1] = {id, task[2], lost}
    return 'GAVE_UP'
  end
  note_attempt(prefix, one, consumer, lost_error(lost, true))
  if task[1] == 'processing' then move_count(counts_of(prefix, task[5]), 'processing', 'pending') end
  plan_exit(prefix, one)
  one.aside = aside_of(prefix, one)
  moves[#moves + 1] = {one, entry_id, fields, task[3] + 1, lost}
  return 'AGAIN'
end

for _, pending in ipairs(redis.call('XPENDING', queue, workers, 'IDLE', lease_ms, '-', '+', limit)) do
  local fields = read_entry(queue, pending[1])
  local id = fields and field(fields, 'id') or ''
  local answer = judge(pending[1], pending[2], fields or {}, id)
  if answer ~= 'AGAIN' then removals[#removals + 1] = pending[1] end
  answers[#answers + 1] = {answer, id, fields and field(fields, 'scenario_id') or ''}
end

local at_ms = now_ms()
local now = iso(at_ms)
for _, entry_id in ipairs(removals) do
  redis.call('XACK', queue, workers, entry_id)
  redis.call('XDEL', queue, entry_id)
end
write_exits(at_ms)
for k, move in ipairs(moves) do
  local task, entry_id, fields, attempt, lost = unpack(move)
  redispatch(queue, workers, entry_id, fields, task, attempt, nonce .. '.' .. k, at_ms)
  redis.call('HSET', task.key, 'status', 'pending', 'lost', lost, 'worker', '', 'started_at', '', 'progress', '', 'message', '',
    'updated_at', now)
end
for _, failure in ipairs(failures) do
  redis.call('XADD', events, '*', 'task_id', failure[1], 'status', 'failed', 'token', failure[2], 'acked', '1', 'error',
    lost_error(failure[3], false))
end
write_attempts(prefix, now)
write_counts(prefix, now)
return answers
