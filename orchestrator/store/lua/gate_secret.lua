-- gate_secret: the secret that signs links to gates; made once for all processes.
--
-- KEYS  1 secret  string   scenarist:gate-secret
-- ARGV  1 fresh   string   random; becomes the secret when there is none
-- Returns  the secret
-- Repeat   the same answer; nothing changes.
-- Cost     O(1)
-- Uses     check
local secret = KEYS[1]
local fresh = ARGV[1]

check(#fresh >= 32, 'at least 32 characters')
local known = redis.call('GET', secret)
if known then return known end
redis.call('SET', secret, fresh)
return fresh
