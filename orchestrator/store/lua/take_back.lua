-- take_back: move what no worker has taken yet from the stream of a service back to its lanes, a chunk a call, because the
-- service is paused or its limits have changed. It gives back its slots.
--
-- KEYS  1 queue       stream   queue:<service>
-- ARGV  1 prefix      string   key prefix of the partition
--       2 service     string
--       3 workers     string   consumer group of the workers
--       4 limit       integer  entries to look at
-- Returns  one of
--          MORE     call again
--          DONE     nothing is there to be taken back
--          OPEN     nothing holds the service back; nothing was done
-- Repeat   DONE; nothing changes.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, clock, counts, rules, flow, entry, backlog
local queue = KEYS[1]
local prefix, service, workers, limit = ARGV[1], ARGV[2], ARGV[3], item_count(ARGV[4])
local timers, removals, moves = prefix .. 'timers', {}, {}

check(limit > 0, 'limit')
redis.call('ZCARD', timers)
local flow = flow_of(prefix, service)
if not flow then return 'OPEN' end
local _, _, last = backlog_of(queue, workers)
local after = '(' .. last
local entries = redis.call('XRANGE', queue, after, '+', 'COUNT', limit)
for _, entry in ipairs(entries) do
  local id = field(entry[2], 'id') or ''
  local key = prefix .. 'task:' .. id
  local v = redis.call('HMGET', key, 'status', 'token', 'attempt', 'scenario_id', 'rules', 'flow_places', 'flow_score')
  removals[#removals + 1] = entry[1]
  if v[1] == 'pending' and v[2] == field(entry[2], 'token') then
    local task = {id = id, key = key, service = service, scenario_id = v[4], rules = v[5], flow_places = v[6], flow_score = v[7]}
    plan_exit(prefix, task)
    task.aside = aside_of(prefix, task)
    task.attempt = v[3] - 1
    moves[#moves + 1] = task
  end
end
local at_ms = now_ms()

if #removals > 0 then redis.call('XDEL', queue, unpack(removals)) end
write_exits(at_ms)
for _, task in ipairs(moves) do
  redis.call('HSET', task.key, 'attempt', task.attempt)
  put_aside(task, at_ms)
end
if #entries == limit then return 'MORE' end
if flow.paused then redis.call('ZREM', timers, 'fill:' .. service) end
return 'DONE'
