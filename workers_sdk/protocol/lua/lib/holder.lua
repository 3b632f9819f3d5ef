-- holder: who holds a pending entry. A group that does not exist is no error: it must not stop a batch.
local grouped = {}

local function has_group(queue, group)
  if grouped[queue] == nil then
    grouped[queue] = false
    for _, info in ipairs(redis.call('EXISTS', queue) == 1 and redis.call('XINFO', 'GROUPS', queue) or {}) do
      if info[2] == group then grouped[queue] = true end
    end
  end
  return grouped[queue]
end

-- Consumer that an entry is pending for, or nil.
local function holder(queue, group, entry_id)
  if entry_id == '' or not has_group(queue, group) then return nil end
  local pending = redis.call('XPENDING', queue, group, entry_id, entry_id, 1)[1]
  return pending and pending[2]
end
