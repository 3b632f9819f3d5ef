-- lost: attempts whose worker was lost. They count apart from those that failed. Needs the fragment attempts.

-- How often the task's workers were lost, this time included, and whether that is too often. Reads only.
local function lost_again(task, max_lost)
  local v = redis.call('HMGET', task.key, 'lost', 'policy', 'attempt', 'started_at')
  local lost, most = tonumber(v[1] or 0) + 1, max_lost
  if v[2] and v[2] ~= '' then
    local max_crashes = cjson.decode(v[2]).max_crashes
    if type(max_crashes) == 'number' then most = max_crashes end
  end
  task.attempt, task.began = tonumber(v[3]) or 1, v[4] or ''
  return lost, lost >= most
end

local function lost_error(lost, again)
  return '{"type":"worker_lost",' .. (again and '' or '"retry":false,') .. '"message":"the worker was lost ' .. lost ..
    (lost == 1 and ' time' or ' times') .. ' while it held the task"}'
end
