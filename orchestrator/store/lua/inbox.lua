-- inbox: which submissions wait to be materialized; they are large, so only their ids are returned.
--
-- KEYS  1 scenarios  stream   generated scenarios
-- ARGV  1 after      string   id of an entry; looks at those that follow
--       2 limit      integer  entries to look at
-- Returns  per entry its id and its scenario id
-- Cost     O(size of the entries)
-- Flags    no-writes
-- Uses     check, entry
local scenarios = KEYS[1]
local after, limit = stream_id(ARGV[1]), item_count(ARGV[2])
local answer = {}

check(limit > 0, 'limit')
local first = '(' .. after
for _, entry in ipairs(redis.call('XRANGE', scenarios, first, '+', 'COUNT', limit)) do
  answer[#answer + 1] = {entry[1], field(entry[2], 'scenario_id') or ''}
end
return answer
