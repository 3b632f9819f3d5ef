-- agree: record at the first start what all processes must agree on, and compare at every later one.
--
-- KEYS  1 meta        hash     scenarist:meta
-- ARGV  1 schema      string   version of the key format
--       2 partitions  integer  1..1024
--       3 lease_ms    integer  lease of a task, milliseconds; empty keeps what is recorded
-- Returns  one of
--          OK, lease_ms
--          MISMATCH, schema, partitions   what is recorded; nothing was changed
-- Repeat   the same answer.
-- Cost     O(1)
-- Flags    allow-oom
-- Uses     check
local meta = KEYS[1]
local schema, partitions, lease_ms = ARGV[1], ARGV[2], ARGV[3]

check(whole(partitions, 'partitions') > 0 and (lease_ms == '' or whole(lease_ms, 'lease_ms')), 'numbers')
local known = redis.call('HMGET', meta, 'schema', 'partitions', 'lease_ms')
if known[1] and (known[1] ~= schema or known[2] ~= partitions) then return {'MISMATCH', known[1], known[2]} end
local lease = lease_ms ~= '' and lease_ms or known[3] or '15000'
if known[1] and known[3] == lease then return {'OK', lease} end
redis.call('HSET', meta, 'schema', schema, 'partitions', partitions, 'lease_ms', lease)
return {'OK', lease}
