-- prune_entries: find entries of a queue that are not those of the present attempt of a task, and remove them.
--
-- KEYS  1 queue    stream   queue:<service>
-- ARGV  1 prefix   string   key prefix of the partition
--       2 workers  string   consumer group of the workers
--       3 after    string   id of an entry; looks at those that follow
--       4 limit    integer  entries to look at
--       5 repair   integer  0: only find them
-- Returns  the id of the last entry that was looked at (empty: these were all), then per entry found its id and its task id
-- Repeat   none are found; nothing changes.
-- Cost     O(limit)
-- Flags    allow-oom
-- Uses     check, entry
local queue = KEYS[1]
local prefix, workers, after, limit, repair = ARGV[1], ARGV[2], stream_id(ARGV[3]), item_count(ARGV[4]), whole(ARGV[5], 'repair')
local answer, found = {}, {}

check(limit > 0, 'limit')
local first = '(' .. after
local entries = redis.call('XRANGE', queue, first, '+', 'COUNT', limit)
answer[1] = #entries == limit and entries[#entries][1] or ''
for _, entry in ipairs(entries) do
  local id, token = field(entry[2], 'id') or '', field(entry[2], 'token')
  local v = redis.call('HMGET', prefix .. 'task:' .. id, 'status', 'token', 'entry')
  local live = v[1] == 'pending' or v[1] == 'processing'
  if not live or v[2] ~= token or v[3] ~= entry[1] then
    found[#found + 1] = entry[1]
    answer[#answer + 1] = entry[1]
    answer[#answer + 1] = id
  end
end

if repair == 1 then
  for _, entry_id in ipairs(found) do
    redis.call('XACK', queue, workers, entry_id)
    redis.call('XDEL', queue, entry_id)
  end
end
return answer
