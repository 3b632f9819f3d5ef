-- machine: the state that a scenario with states is in. The task that carries the states is held for as long as they go on, so
-- whoever ends it in another way (a cancellation, say) has stopped them too.

-- Where a machine stands; `visit` counts the states that it was in. Reads.
local function read_machine(machine, task)
  local v = redis.call('HMGET', machine, 'token', 'state', 'visit', 'until_ms', 'written', 'outcome')
  local held = redis.call('HMGET', task, 'status', 'token')
  local visit, goes_on = tonumber(v[3] or 0), held[1] == 'processing' and (v[6] or '') == ''
  return {state = v[2], visit = visit, until_ms = tonumber(v[4] or 0), written = tonumber(v[5] or ''), token = held[2],
    open = goes_on and (visit == 0 or v[1] == held[2])}
end
