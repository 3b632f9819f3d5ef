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
-- Per kind its type, and the kind of its owner: a hash of the same id.
local KINDS = {
  task = {'hash', 'scenario'}, attempts = {'list', 'task'}, gate = {'hash', 'task'}, audit = {'list', 'task'},
  machine = {'hash', 'scenario'}, history = {'list', 'scenario'}, fires = {'list', 'schedule'},
  ['batch-scenarios'] = {'zset', 'batch'},
}
local length = {}
function length.hash(key) return redis.call('HLEN', key) end
function length.list(key) return redis.call('LLEN', key) end
function length.zset(key) return redis.call('ZCARD', key) end
local found, doomed = {}, {}

check(#ARGV > 2 and #ARGV <= 502, '1 to 500 names')
for i = 3, #ARGV do
  local kind, id = string.match(ARGV[i], '^([a-z-]+):(.+)$')
  check(KINDS[kind or ''], 'a name')
  local of_type, owner = unpack(KINDS[kind])
  local key = prefix .. ARGV[i]
  if length[of_type](key) > 0 then
    if kind == 'task' then id = redis.call('HGET', key, 'scenario_id') or '' end
    if length.hash(prefix .. owner .. ':' .. id) == 0 then
      found[#found + 1] = ARGV[i]
      doomed[#doomed + 1] = key
    end
  end
end

if repair == 1 and #doomed > 0 then redis.call('UNLINK', unpack(doomed)) end
return found
