-- dismiss: take tasks off the list of dead letters. They stay failed.
--
-- KEYS  1 letters     zset    dead-letters
-- ARGV  1 prefix      string  key prefix of the partition
--       2 ... items   task ids
-- Returns  how many were on the list
-- Repeat   0; nothing changes.
-- Cost     O(items)
-- Flags    allow-oom
-- Uses     check, dead_letters
local letters = KEYS[1]
local prefix = ARGV[1]
local found, keys = 0, {}

check(#ARGV > 1 and #ARGV <= 1001, '1 to 1000 items')
redis.call('ZCARD', letters)
for i = 2, #ARGV do
  local id = ARGV[i]
  check(#id == 16, 'a task id')
  local key = prefix .. 'task:' .. id
  local kind = redis.call('HGET', key, 'fingerprint')
  if note_gone(prefix, id, kind) then found = found + 1 end
  if kind then keys[#keys + 1] = key end
end

for _, key in ipairs(keys) do redis.call('HDEL', key, 'fingerprint') end
write_gone(prefix)
return found
