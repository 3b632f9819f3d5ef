-- dead_letters: tasks that failed for good, for people to look at. `dead-letters` holds all of them,
-- `dead-letters:<fingerprint>` those of one kind, `dead-letter-kinds` the kinds that are there; score = when, in ms.
-- The fingerprint of a kind is `<service>:<hash of the error>`. Tasks of the engine itself are none.
local died, gone, left = {}, {}, {}

-- Type checks of what will be written; how many there are of a kind.
local function dead_count(prefix, kind)
  redis.call('ZCARD', prefix .. 'dead-letters')
  redis.call('ZCARD', prefix .. 'dead-letter-kinds')
  return redis.call('ZCARD', prefix .. 'dead-letters:' .. kind)
end

-- Remember a task that fails for good; `hash` is empty when nobody did it. Returns the fingerprint, or nil. Reads only.
local function note_dead(prefix, task, hash)
  if hash == '' or task.service == 'orchestrator' then return nil end
  check(#hash <= 64 and string.match(hash, '^%x+$'), 'fingerprint')
  local kind = task.service .. ':' .. hash
  dead_count(prefix, kind)
  died[#died + 1] = {task.id, kind}
  return kind
end

local function write_dead(prefix, at_ms)
  for _, one in ipairs(died) do
    redis.call('ZADD', prefix .. 'dead-letters', at_ms, one[1])
    redis.call('ZADD', prefix .. 'dead-letters:' .. one[2], at_ms, one[1])
    redis.call('ZADD', prefix .. 'dead-letter-kinds', at_ms, one[2])
  end
end

-- Remember a task that is no dead letter any more; `kind` is what its field `fingerprint` says. Returns whether it was
-- one. Reads only.
local function note_gone(prefix, id, kind)
  if not kind or kind == '' then return false end
  left[kind] = left[kind] or dead_count(prefix, kind)
  local place = redis.call('ZSCORE', prefix .. 'dead-letters:' .. kind, id)
  if place then left[kind] = left[kind] - 1 end
  gone[#gone + 1] = {id, kind}
  return place and true or false
end

local function write_gone(prefix)
  for _, one in ipairs(gone) do
    redis.call('ZREM', prefix .. 'dead-letters', one[1])
    redis.call('ZREM', prefix .. 'dead-letters:' .. one[2], one[1])
  end
  for kind, count in pairs(left) do
    if count == 0 then redis.call('ZREM', prefix .. 'dead-letter-kinds', kind) end
  end
end
