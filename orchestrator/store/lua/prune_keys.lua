-- prune_keys: find keys whose owner is gone, and remove them.
--
-- KEYS  1 home     any key of the partition; routes the call
-- ARGV  1 prefix   string   key prefix of the partition
--       2 repair   integer  0: only find them
--       3 ... items names behind the prefix: task, attempts, gate, audit, machine, history, fires, batch-scenarios, each with an id
-- Returns  the names of those whose owner is gone
-- Repeat   an empty list; nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check
local home = KEYS[1]
local prefix, repair = ARGV[1], whole(ARGV[2], 'repair')
local OWNERS = {
  attempts = 'task', gate = 'task', audit = 'task', machine = 'scenario', history = 'scenario', fires = 'schedule',
  ['batch-scenarios'] = 'batch',
}
local found, doomed = {}, {}

check(#ARGV > 2 and #ARGV <= 502, '1 to 500 names')
for i = 3, #ARGV do
  local kind, id = string.match(ARGV[i], '^([a-z-]+):(.+)$')
  local owner = kind == 'task' and 'scenario' or OWNERS[kind]
  check(owner, 'a name')
  if kind == 'task' then id = redis.call('HGET', prefix .. ARGV[i], 'scenario_id') or '' end
  local there = redis.call('EXISTS', prefix .. ARGV[i]) == 1
  if there and redis.call('EXISTS', prefix .. owner .. ':' .. id) == 0 then
    found[#found + 1] = ARGV[i]
    doomed[#doomed + 1] = prefix .. ARGV[i]
  end
end

if repair == 1 and #doomed > 0 then redis.call('UNLINK', unpack(doomed)) end
return found
