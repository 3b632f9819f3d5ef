-- gate: a task that waits for people. While it is open the task is held under the gate's token, so whoever ends the task in
-- another way (a cancellation, say) has closed the gate too.

-- What is stored of a gate, and whether it is open. Reads all that ending it will touch.
local function read_gate(gate, task, gates, timers, events, audit)
  local v = redis.call('HMGET', gate, 'state', 'token', 'version', 'deadline_ms')
  local held = redis.call('HMGET', task, 'status', 'token')
  redis.call('ZCARD', gates)
  redis.call('ZCARD', timers)
  redis.call('XLEN', events)
  redis.call('LLEN', audit)
  return {state = v[1], token = v[2], version = v[3], deadline_ms = tonumber(v[4] or '') or 0,
    open = v[1] == 'open' and held[1] == 'processing' and held[2] == v[2]}
end

local function is_object(text)
  return string.find(text, '^{".*}$') ~= nil
end

-- JSON object with one more member at its end; both are JSON already.
local function with_member(object, name, value)
  return string.sub(object, 1, -2) .. ',"' .. name .. '":' .. value .. '}'
end

-- End a gate: its task is reported as succeeded, or as failed when there is an `error`.
local function end_gate(keys, task_id, token, error, outcome)
  redis.call('ZREM', keys.gates, task_id)
  redis.call('ZREM', keys.timers, 'gate:' .. task_id)
  redis.call('XADD', keys.events, '*', 'task_id', task_id, 'status', error ~= '' and 'failed' or 'success', 'token', token,
    'acked', '1', error ~= '' and 'error' or 'result', error ~= '' and error or outcome)
end
