-- attempts: what a task's policy says of a failed attempt, and the history of its attempts.
local KEPT_ATTEMPTS = 20
local noted = {}

local function listed(list, word)
  for _, one in ipairs(type(list) == 'table' and list or {}) do
    if one == word then return true end
  end
  return false
end

-- Milliseconds until the next attempt, or nil when there is none. `hint`: what the handler said, never or milliseconds.
-- The delay is full jitter: anywhere between 0 and the exponential bound, so that what failed together does not come back
-- together. `chance` is a random number, its last six digits are used. Reads only.
local function next_attempt(task, error_type, hint, chance)
  local v = redis.call('HMGET', task.key, 'policy', 'attempt', 'failures', 'started_at')
  task.attempt, task.failures, task.began = tonumber(v[2]) or 1, tonumber(v[3]) or 0, v[4] or ''
  if not v[1] or v[1] == '' or hint == 'never' then return nil end
  local policy = cjson.decode(v[1])
  local done = task.failures + 1
  if done >= policy.max_attempts or listed(policy.never, error_type) then return nil end
  if type(policy.only) == 'table' and not listed(policy.only, error_type) then return nil end
  if hint ~= '' then return whole(hint, 'retry') end
  local bound = policy.delay_ms == 0 and 0 or math.min(policy.max_delay_ms, policy.delay_ms * policy.factor ^ (done - 1))
  return math.floor(bound * (policy.jitter and chance % 1000000 / 1000000 or 1))
end

-- Remember a failed or lost attempt for `write_attempts`.
local function note_attempt(prefix, task, worker, error)
  redis.call('LLEN', prefix .. 'attempts:' .. task.id)
  noted[#noted + 1] = {task = task, worker = worker ~= '' and worker or task.worker, error = error}
end

local function write_attempts(prefix, now)
  for _, one in ipairs(noted) do
    local task, key = one.task, prefix .. 'attempts:' .. one.task.id
    local facts = cjson.encode({attempt = tonumber(task.attempt), worker = one.worker, started_at = task.began, finished_at = now})
    -- The error is JSON already, as its reporter wrote it.
    redis.call('RPUSH', key, string.sub(facts, 1, -2) .. ',"error":' .. (one.error ~= '' and one.error or 'null') .. '}')
    redis.call('LTRIM', key, -KEPT_ATTEMPTS, -1)
  end
end
