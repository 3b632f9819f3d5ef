-- task_ids: the ids of all tasks of a scenario in their order. They stand in the field `task_ids`, and what is added when that is
-- long already in pieces `task_ids:1` to `task_ids:<id_pieces>`, so that no call writes more than the last piece anew. Each
-- is a JSON list of plain strings. A cursor is the number of a piece (0: `task_ids`) times 10^9 plus a position in its text.
local FULL_PIECE, OF_A_PIECE = 15000, 1000000000

local function ids_field(piece) return piece == 0 and 'task_ids' or 'task_ids:' .. piece end

-- Up to `limit` ids from a cursor on, the cursor behind them, and whether that is the end of all.
local function ids_from(scenario, cursor, limit)
  local ids, piece, position = {}, math.floor(cursor / OF_A_PIECE), cursor % OF_A_PIECE
  local text = redis.call('HGET', scenario, ids_field(piece)) or ''
  local last = tonumber(redis.call('HGET', scenario, 'id_pieces') or 0)
  while #ids < limit do
    local _, to, id = string.find(text, '"([^"]+)"', position)
    if id then
      ids[#ids + 1], position = id, to + 1
    elseif piece < last then
      piece, position = piece + 1, 1
      text = redis.call('HGET', scenario, ids_field(piece)) or ''
    else
      return ids, piece * OF_A_PIECE + #text + 1, true
    end
  end
  return ids, piece * OF_A_PIECE + position, false
end

-- All of them as the text of one JSON list; `text` is what `task_ids` has.
local function joined_ids(scenario, text)
  local last = tonumber(redis.call('HGET', scenario, 'id_pieces') or 0)
  if last == 0 then return text end
  local parts = {#text > 2 and string.sub(text, 2, -2) or nil}
  for piece = 1, last do
    parts[#parts + 1] = string.sub(redis.call('HGET', scenario, ids_field(piece)) or '', 2, -2)
  end
  return '[' .. table.concat(parts, ',') .. ']'
end

-- Where further ids go: a piece, and what stands in it. Reads only.
local function last_piece(scenario)
  local piece = tonumber(redis.call('HGET', scenario, 'id_pieces') or 0)
  if redis.call('HSTRLEN', scenario, ids_field(piece)) >= FULL_PIECE then return {piece + 1, '[]'} end
  return {piece, redis.call('HGET', scenario, ids_field(piece)) or '[]'}
end

-- Put ids (the inside of a JSON list) behind all others, `at` what `last_piece` gave.
local function add_ids(scenario, at, ids)
  local piece, text = at[1], at[2]
  redis.call('HSET', scenario, ids_field(piece), string.sub(text, 1, -2) .. (#text > 2 and ',' or '') .. ids .. ']')
  if piece > 0 then redis.call('HSET', scenario, 'id_pieces', piece) end
end

-- Have these ids (a JSON list) in place of all, `at` what `last_piece` gave.
local function replace_ids(scenario, at, ids)
  for piece = 1, at[1] do redis.call('HDEL', scenario, ids_field(piece)) end
  redis.call('HDEL', scenario, 'id_pieces')
  redis.call('HSET', scenario, 'task_ids', ids)
end
