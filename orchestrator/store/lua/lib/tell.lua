-- tell: say to the workers which attempts are not wanted any more. A worker that misses it learns by its lease.

-- `attempts`: pairs of task id and token.
local function tell(cancellations, attempts)
  if #attempts == 0 then return end
  local ids, tokens = {}, {}
  for k, attempt in ipairs(attempts) do ids[k], tokens[k] = attempt[1], attempt[2] end
  redis.call('XADD', cancellations, 'MAXLEN', '~', 1000, '*', 'tasks', table.concat(ids, ' '), 'tokens', table.concat(tokens, ' '))
end
