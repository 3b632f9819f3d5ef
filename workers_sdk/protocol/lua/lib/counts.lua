-- counts: how many tasks of a scenario stand in each status, and how many failures are tolerated. Read once per call, changed in memory, written once.
local STATUSES = {'pending', 'processing', 'success', 'failed', 'skipped', 'cancelled'}
local counts = {}

-- Counts of a scenario, or false when there is no such scenario.
local function counts_of(prefix, scenario_id)
  local found = counts[scenario_id]
  if found == nil then
    local values = redis.call('HMGET', prefix .. 'scenario:' .. scenario_id, 'status', 'created_ms', 'cancel', 'tolerated', 'paused',
      unpack(STATUSES))
    found = values[1] and {was = values[1], status = values[1], created_ms = values[2], cancel = values[3],
      tolerated = tonumber(values[4] or 0), paused = values[5]}
    for i, status in ipairs(STATUSES) do
      if found then found[status] = tonumber(values[i + 5]) or 0 end
    end
    counts[scenario_id] = found
  end
  return found
end

local function move_count(found, from, to)
  if found then
    found[from] = found[from] - 1
    found[to] = found[to] + 1
    found.changed = found.changed or {}
    found.changed[from], found.changed[to] = true, true
  end
end

-- One more failed task that does not fail the scenario.
local function tolerate(found)
  found.tolerated = found.tolerated + 1
  found.changed = found.changed or {}
  found.changed.tolerated = true
end

-- Fields to set on a changed scenario, as a flat list.
local function count_fields(found, now)
  local fields = {'updated_at', now}
  for status in pairs(found.changed) do
    fields[#fields + 1] = status
    fields[#fields + 1] = found[status]
  end
  if found.error then
    fields[#fields + 1] = 'error'
    fields[#fields + 1] = found.error
  end
  return fields
end

local function write_counts(prefix, now)
  for scenario_id, found in pairs(counts) do
    if found and found.changed then
      redis.call('HSET', prefix .. 'scenario:' .. scenario_id, unpack(count_fields(found, now)))
    end
  end
end
