-- tell: say to the workers which attempts are not wanted any more. A worker that misses it learns by its lease.

-- `attempts`: lists of task id, token and cause.
local function tell(cancellations, attempts)
  if #attempts == 0 then return end
  local ids, tokens, causes = {}, {}, {}
  for k, attempt in ipairs(attempts) do
    ids[k], tokens[k], causes[k] = attempt[1], attempt[2], (string.gsub(attempt[3], '%s', '_'))
  end
  redis.call('XADD', cancellations, 'MAXLEN', '~', 1000, '*', 'tasks', table.concat(ids, ' '), 'tokens', table.concat(tokens, ' '),
    'causes', table.concat(causes, ' '))
end
