-- progress: note how far running tasks are, or only that they live, when the caller's attempt is still the current one.
--
-- KEYS  1 home      any key of the partition; routes the call
-- ARGV  1 prefix    string  key prefix of the partition
--       2 ... items per item: task id, token, percent (0..100; empty: a sign of life, which only `updated_at` notes), message
-- Returns  per item one of
--          OK     noted
--          STALE  the attempt is not the current one, or not running; nothing was done
-- Repeat   the same answers; nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check, clock, iso
local home = KEYS[1]
local prefix = ARGV[1]
local answers = {}

check((#ARGV - 1) % 4 == 0, 'items of four')
for i = 2, #ARGV, 4 do
  local task = redis.call('HMGET', prefix .. 'task:' .. ARGV[i], 'status', 'token')
  answers[#answers + 1] = task[1] == 'processing' and task[2] == ARGV[i + 1] and 'OK' or 'STALE'
  -- Without letters but e: Lua would read 0x10, which no other reader takes for a number.
  local percent = ARGV[i + 2] == '' and 0 or not string.find(ARGV[i + 2], '[^%d.eE+-]') and tonumber(ARGV[i + 2])
  check(percent and percent >= 0 and percent <= 100, 'percent')
end

local now = iso(now_ms())
for k, answer in ipairs(answers) do
  local i = 4 * k - 2
  local key = prefix .. 'task:' .. ARGV[i]
  if answer == 'OK' and ARGV[i + 2] == '' then
    redis.call('HSET', key, 'updated_at', now)
  elseif answer == 'OK' then
    redis.call('HSET', key, 'progress', ARGV[i + 2], 'message', ARGV[i + 3], 'updated_at', now)
  end
end
return answers
