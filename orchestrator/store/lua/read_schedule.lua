-- read_schedule: a schedule, and the time: the clock that its fires go by.
--
-- KEYS  1 schedule  hash  schedule:<id>; need not exist
-- Returns  now in milliseconds, then per field that the schedule has: name, value
-- Cost     O(1)
-- Flags    no-writes
-- Uses     clock
local schedule = KEYS[1]
local names = {
  'schedule_id', 'definition', 'overlap', 'max_runs', 'state', 'next_ms', 'next_at_ms', 'runs', 'last_scenario_id', 'last_error',
  'paused', 'starting', 'turn', 'revision', 'created_ms', 'created_at', 'updated_at',
}

local values = redis.call('HMGET', schedule, unpack(names))
local answer = {now_ms()}
for i, name in ipairs(names) do
  if values[i] then
    answer[#answer + 1] = name
    answer[#answer + 1] = values[i]
  end
end
return answer
