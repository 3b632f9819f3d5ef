-- standing: all that says where a task stands, as texts in the order of `Standing` (orchestrator/store/standing.py).
-- Reads only. Needs the fragment backlog.
local STANDING = {
  'status', 'scenario_id', 'service', 'name', 'token', 'queue', 'entry', 'worker', 'attempt', 'group', 'got', 'released', 'rules',
  'flow_places', 'fingerprint', 'child_scenario_id', 'consumers', 'updated_at', 'ready_ms',
}
local delivered_ids = {}

-- What became of the entry of a task: `queued` (nobody has it yet), `taken` (it is pending), `acked` (it stands there and
-- nobody will get it), `gone`, or empty: it has none.
local function entry_state(prefix, workers, service, entry)
  if entry == '' then return '' end
  local queue = prefix .. 'queue:' .. service
  if #redis.call('XRANGE', queue, entry, entry) == 0 then return 'gone' end
  if not delivered_ids[queue] then delivered_ids[queue] = select(3, backlog_of(queue, workers)) end
  if is_after(entry, delivered_ids[queue]) then return 'queued' end
  return #redis.call('XPENDING', queue, workers, entry, entry, 1) > 0 and 'taken' or 'acked'
end

-- Per place that the task names, whether it stands there: 1 or 0.
local function presence(prefix, id, places)
  local marks = ''
  for name in string.gmatch(places, '[^\n]+') do
    local there
    if string.find(name, '^slots:') then
      there = redis.call('SISMEMBER', prefix .. name, id) == 1
    else
      there = redis.call('ZSCORE', prefix .. name, id)
    end
    marks = marks .. (there and '1' or '0')
  end
  return marks
end

-- What the orchestrator holds a task for: `scenario <status>` of the one that it started (`none`: there is no such scenario),
-- `gate <state> <deadline in ms>` (state `mine`: it is open under this token), or `machine <state> <outcome> <written> <until>
-- <timer>` (each - when there is none; `machine none`: it has not begun).
local function held_for(prefix, id, scenario_id, token, child)
  if child ~= '' then
    return 'scenario ' .. (redis.call('HGET', prefix .. 'scenario:' .. child, 'status') or 'none')
  end
  local v = redis.call('HMGET', prefix .. 'gate:' .. id, 'state', 'token', 'deadline_ms')
  if v[1] then return 'gate ' .. (v[1] == 'open' and v[2] == token and 'mine' or v[1]) .. ' ' .. (v[3] or '0') end
  if redis.call('HGET', prefix .. 'scenario:' .. scenario_id, 'machine') ~= id then return '' end
  v = redis.call('HMGET', prefix .. 'machine:' .. scenario_id, 'state', 'outcome', 'written', 'until_ms')
  if not v[1] then return 'machine none' end
  v[5] = redis.call('ZSCORE', prefix .. 'timers', 'state:' .. scenario_id)
  for i = 2, 5 do v[i] = v[i] and v[i] ~= '' and v[i] or '-' end
  return 'machine ' .. table.concat(v, ' ')
end

-- What the engine is asked about a task, in words; by a look at the text, since it may be long.
local function asked_for(prefix, id)
  local text, words = redis.call('HGET', prefix .. 'task:' .. id, 'on_ready') or '', {}
  for _, word in ipairs({'foreach', 'gate', 'scenario', 'machine', 'state'}) do
    if string.find(text, '[{,]"' .. word .. '":') then words[#words + 1] = word end
  end
  return table.concat(words, ' ')
end

-- Whether a dead letter stands in both of its lists: 1 or 0; empty: it is none.
local function listed_dead(prefix, id, kind)
  if kind == '' then return '' end
  local both = redis.call('ZSCORE', prefix .. 'dead-letters', id) and redis.call('ZSCORE', prefix .. 'dead-letters:' .. kind, id)
  return both and '1' or '0'
end

-- Where a task stands; an empty list when there is no such task.
local function standing_of(prefix, workers, id)
  local v = redis.call('HMGET', prefix .. 'task:' .. id, unpack(STANDING))
  if not v[1] then return {} end
  for i = 1, #STANDING do v[i] = v[i] or '' end
  local timers, n = prefix .. 'timers', #STANDING
  v[n + 1] = entry_state(prefix, workers, v[3], v[7])
  for k, kind in ipairs({'start:', 'lease:', 'overdue:', 'gate:'}) do
    v[n + 1 + k] = redis.call('ZSCORE', timers, kind .. id) or ''
  end
  v[n + 6] = presence(prefix, id, v[14])
  local held = v[1] == 'processing' or v[12] == '0'
  v[n + 7] = v[8] == 'orchestrator' and held and held_for(prefix, id, v[2], v[5], v[16]) or ''
  v[n + 8] = listed_dead(prefix, id, v[15])
  v[n + 9] = tostring(redis.call('SISMEMBER', prefix .. 'services', v[3]))
  v[n + 10] = redis.call('ZSCORE', prefix .. 'gates', id) and '1' or '0'
  v[n + 11] = v[13] ~= '' and asked_for(prefix, id) or ''
  return v
end
