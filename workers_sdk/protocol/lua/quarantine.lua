-- quarantine: set an unreadable entry aside, so that it blocks nothing. Only facts about it are kept, not its content.
--
-- KEYS  1 stream      stream  that the entry stands in
--       2 quarantine  stream  capped
-- ARGV  1 group       string  group that read the entry
--       2 entry_id    string
--       3 reason      string  why it cannot be used
--       4 limit       integer how many entries the quarantine keeps, about
-- Returns  one of
--          OK     set aside
--          STALE  the entry is gone; nothing was done
-- Repeat   STALE
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check, clock, iso
local stream, quarantine = KEYS[1], KEYS[2]
local group, entry_id, reason, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

stream_id(entry_id)
item_count(limit)

redis.call('XLEN', quarantine)
local now = iso(now_ms())
if redis.call('XDEL', stream, entry_id) == 0 then return 'STALE' end
redis.call('XACK', stream, group, entry_id)
redis.call('XADD', quarantine, 'MAXLEN', '~', limit, '*', 'stream', stream, 'entry', entry_id, 'reason', reason, 'at', now)
return 'OK'
