-- backlog: what stands in the stream of a service that no worker has taken yet. It has not begun, so it may be taken back.

-- Number of entries that wait, number of those that workers hold, and the id after which the waiting ones stand. An entry
-- goes in the script that ends its task, so what stands there and is not pending waits. Reads.
local function backlog_of(queue, group)
  local length = redis.call('XLEN', queue)
  -- An empty one too: what stood there may have been done a moment ago.
  for _, info in ipairs(redis.call('EXISTS', queue) == 1 and redis.call('XINFO', 'GROUPS', queue) or {}) do
    if info[2] == group then return math.max(0, length - info[6]), info[6], info[8] end
  end
  return length, 0, '0-0'
end

-- Whether the id of an entry comes after another.
local function is_after(one, other)
  local ms, seq = string.match(one, '^(%d+)-(%d+)$')
  local other_ms, other_seq = string.match(other, '^(%d+)-(%d+)$')
  ms, seq, other_ms, other_seq = tonumber(ms), tonumber(seq), tonumber(other_ms), tonumber(other_seq)
  return ms > other_ms or ms == other_ms and seq > other_seq
end
