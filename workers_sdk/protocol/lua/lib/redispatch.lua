-- redispatch: put a delivered entry back as a new one with a new token. The old entry goes away in the same step.
-- Redelivery is always a new entry, so whatever still works under the old token can change nothing.

-- Fields of an entry of a queue stream, or false when the entry is gone.
local function read_entry(queue, entry_id)
  local found = redis.call('XRANGE', queue, entry_id, entry_id)
  return found[1] and found[1][2]
end

-- Move the entry to the end of its queue under `attempt` and `token`; returns the id of the new entry.
local function redispatch(queue, group, entry_id, fields, attempt, token)
  for i = 1, #fields, 2 do
    if fields[i] == 'attempt' then fields[i + 1] = attempt end
    if fields[i] == 'token' then fields[i + 1] = token end
  end
  redis.call('XACK', queue, group, entry_id)
  redis.call('XDEL', queue, entry_id)
  return redis.call('XADD', queue, '*', unpack(fields))
end
