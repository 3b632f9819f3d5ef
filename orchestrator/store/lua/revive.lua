-- revive: bring ended tasks of a scenario back, a chunk a call: what failed, was skipped or cancelled waits again for what
-- it depends on, or starts. What succeeded stays as it is.
--
-- Items come upstream first, so that each finds its parents alive or done; one with a dead parent stays dead. Between two
-- chunks a timer keeps the scenario from ending, and lets the engine go on when the caller dies.
--
-- A scenario within one that is paused lives again as paused by that; and so does what is within this one, when it is paused.
--
-- KEYS  1 scenario     hash     scenario:<id>
--       2 timers       zset     what is due later
--       3 events       stream   task-events
-- ARGV  1 prefix       string   key prefix of the partition
--       2 scenario_id  string
--       3 nonce        string   random, never used before; makes the tokens
--       4 scope        string   what the engine goes on with: all, or caused (what ended because of others); within: the same
--                               for a scenario that waits for one that lives again, unless it was cancelled
--       5 offset       integer  how many items came before; later chunks do not bring back what was ended in between
--       6 more         integer  1: another chunk follows
--       7 wait_ms      integer  until the engine goes on, milliseconds
--       8 retention    string   how long a finished scenario is kept; see the fragment retention
--       9 by           string   who revives: the same in all chunks of one caller
--      10 ... items    per item: task id; how many of its parents had succeeded; number n of its other parents, n ids;
--                      number m of dependents that may have counted its end without ending, m ids
-- Returns  one of
--          OK, ids     of the tasks that live again
--          CANCELLING  the scenario is being cancelled; nothing was revived
--          CANCELLED   it was cancelled, which stays so for this scope; nothing was revived
--          ENDED       the scenario was cancelled between two chunks; nothing was revived
--          PURGED      its removal has begun; nothing was revived
--          BUSY        another caller is between two chunks; nothing was revived
--          UNKNOWN     there is no such scenario
-- Repeat   OK without ids; nothing changes but the timer.
-- Cost     O(items and ids)
-- Flags    allow-oom
-- Uses     check, clock, iso, counts, rules, flow, dispatch, ledger, release, dead_letters, accounts, finish_scenarios, retention, within
local scenario, timers, events = KEYS[1], KEYS[2], KEYS[3]
local prefix, scenario_id, nonce, scope = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local offset, more = whole(ARGV[5], 'offset'), whole(ARGV[6], 'more')
local wait_ms, retention, by = whole(ARGV[7], 'wait_ms'), retention_of(ARGV[8]), ARGV[9]
local timer = 'revive:' .. scenario_id
local OF_THE_END = {'error', 'error_type', 'finished_at', 'started_at', 'worker', 'entry', 'progress', 'message', 'failures', 'lost',
  'released', 'fingerprint', 'ready_ms', 'got'}
local SCOPES = {all = true, caused = true, within = true}
local revived, alive, ids, below, late = {}, {}, {}, {}, 0

check(#nonce > 0 and #by > 0 and SCOPES[scope] and more < 2, 'numbers')
redis.call('ZCARD', timers)
redis.call('XLEN', events)
local found = counts_of(prefix, scenario_id)
local state = redis.call('HMGET', scenario, 'purged', 'error', 'tenant', 'batch', 'revive', 'parent')
local other = state[5] and string.match(state[5], '%S+$') ~= by
local at_ms = now_ms()
local now = iso(at_ms)

-- Whether the release of a parent has come by `id`, at the place `position` of its list: only then is its end counted.
local function has_passed(parent_key, position, id)
  if not position or position == '' then return true end
  local consumers = redis.call('HGET', parent_key, 'consumers') or ''
  return not string.find(consumers, '"' .. id .. '"', tonumber(position), true)
end

-- What a parent means for a task that is to live again: it waits for it, or it was good, lost (failed) or dead.
local function standing(parent_id, id)
  if alive[parent_id] then return 'waits' end
  local key = prefix .. 'task:' .. parent_id
  local status = redis.call('HGET', key, 'status')
  if not status then return 'dead' end
  if not FINAL[status] then return 'waits' end
  local v = redis.call('HMGET', key, 'released', 'rules')
  if not has_passed(key, v[1], id) then return 'waits' end
  if status == 'success' or status ~= 'cancelled' and rules_of({rules = v[2]}).optional then return 'good' end
  return status == 'failed' and 'lost' or 'dead'
end

-- Whether a task may live again, by its parents: how many were good, and the others; of one with children these are its
-- parents. Sets what it waits for.
local function may_live(task, good, parents)
  local rules, n = rules_of(task), {waits = 0, good = good, lost = 0, dead = 0}
  local written, whole_group = string.match(task.group or '', '^(%d+) (%d+)')
  if written ~= whole_group then return false end  -- it waits for children that were never made
  local needed = not task.group and not rules.all_done and (rules.need or good + #parents)
  for k, parent_id in ipairs(parents) do
    local word = standing(parent_id, task.id)
    n[word] = n[word] + 1
    if needed and n.good + n.waits + #parents - k < needed then return false end  -- of many dead, few are read
  end
  task.queue, task.got, task.ready_ms = n.waits, nil, nil
  if task.group then
    task.got = n.good .. ' ' .. n.lost + n.dead
    return true
  end
  if rules.need then
    task.got = n.good .. ' ' .. n.lost
    if n.good >= rules.need then task.queue = 0 end
    return n.good + task.queue >= rules.need
  end
  return n.lost + n.dead == 0 or rules.all_done
end

-- Whether a task waits for all others, as at the end or as a state does, and the engine is just being asked about it: nothing of
-- it has begun.
local function is_asked_at_end(task)
  local rules, begun = rules_of(task), (task.token or '') ~= '' or (task.flow_places or '') ~= ''
  return (rules.finally or rules.all_done) and rules.ask and not begun and not redis.call('ZSCORE', timers, 'start:' .. task.id)
end

-- A dependent that still waits, but has counted the end of `task`, will count it again: it waits for one more.
local function uncount(task, released, id)
  local other = task_of(prefix, id)
  if not other or other.status ~= 'pending' or not has_passed(task.key, released, id) then return end
  detail(other)
  if other.queue <= 0 and not is_asked_at_end(other) then return end
  -- With children it counts no other ends: see `release_one`.
  if other.group and rules_of(task).child ~= id then return end
  other.queue = other.queue + 1
  set(other, 'queue', other.queue)
  local won, lost = string.match(other.got or '', '^(%d+) (%d+)$')
  if not won then return end
  local good = rules_of(task).optional and task.status ~= 'cancelled'
  local was_lost = not good and (other.group or task.status == 'failed')
  other.got = (good and won - 1 or won) .. ' ' .. (was_lost and math.max(lost - 1, 0) or lost)
  set(other, 'got', other.got)
end

-- What a task was the work of lives again already: it becomes paused with this scenario.
local function pause_below(id)
  local v = redis.call('HMGET', prefix .. 'scenario:' .. id, 'status', 'paused', 'cancel')
  if (v[1] == 'pending' or v[1] == 'processing') and not v[2] and not v[3] then below[#below + 1] = id end
end

local function bring_back(task, others)
  local v = redis.call('HMGET', task.key, 'fingerprint', 'released', 'child_scenario_id')
  local rules = rules_of(task)
  for _, id in ipairs(others) do uncount(task, v[2], id) end
  note_gone(prefix, task.id, v[1])
  if task.queue == 0 and not rules.ask and not task.group then plan_dispatch(prefix, task) end
  if found.paused and (v[3] or '') ~= '' then pause_below(v[3]) end
  if v[2] == '0' and not task.group then late = late + 1 end
  local tolerated = task.status == 'failed' and (rules.optional or rules.tolerated)
  move_count(found, task.status, 'pending')
  if tolerated then
    found.tolerated, found.changed.tolerated = found.tolerated - 1, true
  end
  task.status, alive[task.id], task.child = 'pending', true, (v[3] or '') ~= ''
  revived[#revived + 1], ids[#ids + 1] = task, task.id
  counted[#counted + 1] = task
end

local function id_list(first, n)
  check(first + n - 1 <= #ARGV, 'ids')
  local list = {}
  for k = first, first + n - 1 do list[#list + 1] = ARGV[k] end
  return list
end

local function read_item(i, wanted)
  local id, good, n = ARGV[i], whole(ARGV[i + 1], 'parents'), whole(ARGV[i + 2], 'parents')
  local parents = id_list(i + 3, n)
  local m = whole(ARGV[i + 3 + n], 'dependents')
  local others = id_list(i + 4 + n, m)
  local task = wanted and whole_task_of(prefix, id)
  local dead = task and task.scenario_id == scenario_id and FINAL[task.status] and task.status ~= 'success'
  if dead and may_live(task, good, parents) then bring_back(task, others) end
  return i + 4 + n + m
end

local function refusal()
  if not found then return 'UNKNOWN' end
  if state[1] then return 'PURGED' end
  -- Of two at a time the first to end would let the scenario end under the other.
  if other and (more == 1 or offset > 0) then return 'BUSY' end
  if not FINAL[found.status] then return found.cancel and 'CANCELLING' or nil end
  if found.cancel and scope == 'within' then return 'CANCELLED' end
  return offset > 0 and 'ENDED' or nil
end

local word = refusal()
local chain, their_pause
if found and not word then
  found.cancel = false
  if not found.paused then chain, their_pause = paused_above(prefix, scenario_id, state[6]) end
  found.paused = found.paused or their_pause
end
local i = 10
while i <= #ARGV do i = read_item(i, not word) end
check_tasks()
local reopened = #revived > 0 and FINAL[found.status] and found.was
if reopened then
  for _, name in ipairs({found.was, 'processing'}) do redis.call('ZCARD', prefix .. 'index:' .. name) end
  move_account(prefix, state[3], state[4], reopened, 'unfinished')
  found.status, found.was = 'processing', 'processing'
end
if #revived > 0 then
  local blamed = string.match(state[2] or '', '"task_id":"([^"]+)"')
  if found.failed == found.tolerated or reopened == 'cancelled' then
    found.error = ''
  elseif blamed and alive[blamed] then
    found.error = '{"type":"task_failed","message":"a task failed"}'
  end
end
if found then found.last = more == 0 and not other end
local finished = not word and more == 0 and not other and decide_finished(prefix) or {}

for _, task in ipairs(revived) do
  redis.call('HDEL', task.key, unpack(OF_THE_END))
  redis.call('HSET', task.key, 'status', 'pending', 'token', '', 'queue', task.queue, 'updated_at', now)
  -- It may wait for the scenario that it was the work of, if that lives again too, and takes it along when it is cancelled.
  if task.child then redis.call('HSET', task.key, 'worker', 'orchestrator') end
end
write_tasks()
if #revived > 0 then
  for _, one in ipairs(chain or {}) do pause_within(prefix, timers, one[1], one[2], their_pause, now, at_ms) end
  if reopened and found.paused then redis.call('ZADD', timers, at_ms, 'pause:' .. scenario_id) end
end
for _, id in ipairs(below) do
  pause_within(prefix, timers, id, scenario_id, handed_down(scenario_id, found.paused), now, at_ms)
end
if late > 0 then redis.call('HINCRBY', scenario, 'late', -late) end
write_releases(events, timers, nonce, now, at_ms)
write_gone(prefix)
if reopened then
  redis.call('HSET', scenario, 'status', 'processing')
  redis.call('HDEL', scenario, 'finished_at', 'cancel', 'cancel_at')
  redis.call('ZREM', prefix .. 'index:' .. reopened, scenario_id)
  redis.call('ZADD', prefix .. 'index:processing', found.created_ms, scenario_id)
  redis.call('ZREM', timers, 'purge:' .. scenario_id, 'cancel:' .. scenario_id)
end
write_counts(prefix, now)
write_finished(prefix, timers, finished, now, at_ms, retention)
if not word and more == 1 then
  redis.call('HSET', scenario, 'revive', scope .. ' ' .. by)
  redis.call('ZADD', timers, at_ms + wait_ms, timer)
elseif not other and redis.call('ZREM', timers, timer) == 1 then
  redis.call('HDEL', scenario, 'revive')
end
return word and {word} or {'OK', ids}
