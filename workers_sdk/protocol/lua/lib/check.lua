-- check: refuse arguments that are not of the documented form, before the first write.
local function check(ok, what)
  if not ok then error({err = 'BADARG ' .. what}) end
end

-- A whole number that is not negative, of at most 15 digits: what both Lua and Redis count exactly.
local function whole(text, what)
  check(text and #text < 16 and string.match(text, '^%d+$'), what)
  return tonumber(text)
end

-- A whole number of list items that follow, at most 4096: more would not fit a Lua call.
local function item_count(text)
  local n = whole(text, 'item count')
  check(n <= 4096, 'item count')
  return n
end

-- The id of a stream entry. Both numbers of a real one fit 19 digits.
local function stream_id(text)
  local ms, seq = string.match(text or '', '^(%d+)%-(%d+)$')
  check(ms and #ms < 20 and #seq < 20, 'entry id')
  return text
end
