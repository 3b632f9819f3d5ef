-- edit: set template fields of a dead letter, before it is redriven.
--
-- KEYS  1 task         hash    task:<id>
-- ARGV  1 known        string  its field `json_fields` as it was read (empty: absent): others may edit too
--       2 params       string  its field `params` as it was read (empty: absent): members of it are set one by one
--       3 ... fields   template fields and their values
-- Returns  one of
--          OK
--          CHANGED   somebody edited it since it was read; nothing was done
--          NOT_DEAD  it is no dead letter (any more); nothing was done
--          UNKNOWN   there is no such task
-- Repeat   CHANGED, or the same again.
-- Cost     O(fields)
-- Uses     check, clock, iso
local task = KEYS[1]
local known, params = ARGV[1], ARGV[2]

check(#ARGV > 2 and #ARGV % 2 == 0 and #ARGV < 2000, 'fields and values')
local state = redis.call('HMGET', task, 'status', 'fingerprint', 'json_fields', 'params')
if not state[1] then return 'UNKNOWN' end
if state[1] ~= 'failed' or not state[2] then return 'NOT_DEAD' end
if (state[3] or '') ~= known or (state[4] or '') ~= params then return 'CHANGED' end
redis.call('HSET', task, 'updated_at', iso(now_ms()), unpack(ARGV, 3))
return 'OK'
