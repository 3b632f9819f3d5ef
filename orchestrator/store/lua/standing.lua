-- standing: where tasks stand, each at one moment: what their hashes say, their entries, timers and places.
--
-- KEYS  1 home      any key of the partition; routes the call
-- ARGV  1 prefix    string  key prefix of the partition
--       2 workers   string  consumer group of the workers
--       3 ... items task ids
-- Returns  now in milliseconds, then per item a list of texts in the order of the fragment standing; empty when there is
--          no such task
-- Cost     O(items)
-- Flags    no-writes
-- Uses     check, clock, backlog, standing
local home = KEYS[1]
local prefix, workers = ARGV[1], ARGV[2]
local answers = {now_ms()}

check(#ARGV > 2 and #ARGV <= 502, '1 to 500 task ids')
for i = 3, #ARGV do check(#ARGV[i] == 16, 'a task id') end
for i = 3, #ARGV do answers[#answers + 1] = standing_of(prefix, workers, ARGV[i]) end
return answers
