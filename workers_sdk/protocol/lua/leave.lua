-- leave: remove a consumer from a group, unless entries are pending for it: deleting it would lose them.
--
-- KEYS  1 stream    stream  of the group
-- ARGV  1 group     string
--       2 consumer  string
-- Returns  one of
--          OK     the consumer is gone
--          BUSY   entries are pending for it; nothing was done
-- Repeat   OK
-- Cost     O(1)
-- Flags    allow-oom
local stream = KEYS[1]
local group, consumer = ARGV[1], ARGV[2]

if #redis.call('XPENDING', stream, group, '-', '+', 1, consumer) > 0 then return 'BUSY' end
redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
return 'OK'
