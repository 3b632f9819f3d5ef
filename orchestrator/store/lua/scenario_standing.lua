-- scenario_standing: where scenarios stand, each at one moment.
--
-- KEYS  1 home      any key of the partition; routes the call
-- ARGV  1 prefix    string  key prefix of the partition
--       2 ... items scenario ids
-- Returns  per item a list of texts in the order of the fragment scenario_standing; empty when there is no such scenario
-- Cost     O(items + size of their task_ids)
-- Flags    no-writes
-- Uses     check, task_ids, scenario_standing
local home = KEYS[1]
local prefix = ARGV[1]
local answers = {}

check(#ARGV > 1 and #ARGV <= 101, '1 to 100 scenario ids')
for i = 2, #ARGV do
  check(#ARGV[i] == 16, 'a scenario id')
  answers[#answers + 1] = scenario_standing_of(prefix, ARGV[i])
end
return answers
