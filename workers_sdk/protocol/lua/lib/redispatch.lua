-- redispatch: put a delivered entry back as a new one with a new token. The old entry goes away in the same step.
-- Redelivery is always a new entry, so whatever still works under the old token can change nothing. Needs the fragment flow.

-- Fields of an entry of a queue stream, or false when the entry is gone.
local function read_entry(queue, entry_id)
  local found = redis.call('XRANGE', queue, entry_id, entry_id)
  return found[1] and found[1][2]
end

-- Move the entry of a task to the end of its queue, for an attempt whose token `mark` makes; or let the task wait for that
-- where its `aside` says. `write_exits` was called before.
local function redispatch(queue, group, entry_id, fields, task, attempt, mark, at_ms)
  local token = attempt .. '.' .. mark
  redis.call('XACK', queue, group, entry_id)
  redis.call('XDEL', queue, entry_id)
  if task.aside then
    redis.call('HSET', task.key, 'attempt', attempt - 1)  -- it becomes this attempt when it is handed out
    return put_aside(task, at_ms)
  end
  for i = 1, #fields, 2 do
    if fields[i] == 'attempt' then fields[i + 1] = attempt end
    if fields[i] == 'token' then fields[i + 1] = token end
  end
  redis.call('HSET', task.key, 'attempt', attempt, 'token', token, 'entry', redis.call('XADD', queue, '*', unpack(fields)))
end
