-- flow: what holds ready tasks back, and where they wait meanwhile. Needs the fragments counts and rules.
--
-- A managed service has settings in the hash `flow`; its ready tasks wait in lanes, one per tenant, until `fill` moves
-- them to the stream. A task names the sets that hold its id in `flow_places`, one a line: the lane (or what else it waits
-- in) and the slots it has. So whoever ends it, or makes it wait again, knows from the task alone what to clean.
local PRIORITY, AGE_MS = 2, 60000
local flows, firsts, typed, exits, touched, put = {}, {}, {}, {}, {}, 0

-- Settings of a service; false: its tasks go straight to its stream. Reads.
local function flow_of(prefix, service)
  local flow = flows[service]
  if flow == nil then
    local v = redis.call('HMGET', prefix .. 'flow', '*', service .. ':paused', service)
    flow = (v[1] or v[2] or v[3]) and cjson.decode(v[3] or '{}') or false
    if flow then flow.paused, flow.managed = v[1] or v[2], v[3] end
    flows[service] = flow
  end
  return flow
end

-- Check the type of a key that will be written, once. Reads.
local function check_type(command, key)
  if not typed[key] then typed[key] = redis.call(command, key) end
end

-- A tenant or a key, as it stands in names of sets.
local function named(text) return (string.gsub(text, '%c', ' ')) end

-- Where a new lane begins in the order of its tenants: it owes nothing and is owed nothing.
local function first_of(prefix, service)
  if not firsts[service] then
    firsts[service] = tonumber(redis.call('ZRANGE', prefix .. 'lanes:' .. service, 0, 0, 'WITHSCORES')[2] or '0')
  end
  return firsts[service]
end

-- Where a ready task has to wait, for `put_aside`; false: nowhere. Reads.
local function aside_of(prefix, task)
  local found, given = counts_of(prefix, task.scenario_id), rules_of(task).flow
  local held, flow = found and found.paused and not found.cancel, flow_of(prefix, task.service)
  -- What no worker does has no lane.
  if not held and (not flow and not given or task.service == 'orchestrator') then return false end
  local aside = {prefix = prefix, priority = given and given.priority or PRIORITY}
  if held then
    aside.name = 'held:' .. task.scenario_id
  else
    aside.service, aside.tenant = task.service, named(given and given.tenant or '-')
    aside.name, aside.first = 'lane:' .. aside.service .. ':' .. aside.tenant, first_of(prefix, aside.service)
    aside.manage = not flow
  end
  check_type('ZCARD', prefix .. aside.name)
  check_type('ZCARD', prefix .. 'timers')
  return aside
end

-- Have the engine look at a service (`fill:`), or at what waits for a key (`unpark:`), at once.
local function touch(prefix, timer, at_ms)
  if touched[timer] then return end
  touched[timer] = true
  touched[#touched + 1] = timer
  redis.call('ZADD', prefix .. 'timers', 'LT', at_ms, timer)
end

-- Let a task wait where `aside_of` said. Lower scores go first: a priority is worth a minute, so nothing waits for ever. One
-- that had waited before (`flow_score`) gets its old place. It has no token meanwhile, so no report about it counts.
local function put_aside(task, at_ms)
  local aside = task.aside
  local prefix = aside.prefix
  put = put + 1
  local score = task.flow_score and tonumber(task.flow_score) or at_ms + aside.priority * AGE_MS + put % 1000 / 1000
  redis.call('ZADD', prefix .. aside.name, score, task.id)
  redis.call('HSET', prefix .. 'task:' .. task.id, 'token', '', 'entry', '', 'flow_places', aside.name,
    'flow_score', string.format('%.17g', score))
  if not aside.service then return end
  if aside.manage then redis.call('HSETNX', prefix .. 'flow', aside.service, '{}') end
  redis.call('ZADD', prefix .. 'lanes:' .. aside.service, 'NX', aside.first, aside.tenant)
  touch(prefix, 'fill:' .. aside.service, at_ms)
end

-- Note that a task, with its `flow_places` read, leaves all of them. Reads; `write_exits` writes. `parks`: the call parks
-- others, so those that wait for the key of this one are not all there yet.
local function plan_exit(prefix, task, parks)
  local places = task.flow_places
  if not places or places == '' then return end
  local exit = {prefix = prefix, id = task.id}
  for name in string.gmatch(places, '[^\n]+') do
    local kind, service, key = string.match(name, '^(%a+):([^:]+):?(.*)$')
    check_type(kind == 'slots' and 'SCARD' or 'ZCARD', prefix .. name)
    local of_key = kind == 'slots' and key ~= ''
    local waited_for = of_key and (parks or redis.call('ZCARD', prefix .. 'parked:' .. service .. ':' .. key) > 0)
    exit[#exit + 1] = {name = name, kind = kind, service = service, key = key, waited_for = waited_for}
  end
  check_type('ZCARD', prefix .. 'timers')
  task.flow_places = nil
  exits[#exits + 1] = exit
end

local function write_exits(at_ms)
  if #exits == 0 then return end
  for _, exit in ipairs(exits) do
    local prefix = exit.prefix
    for _, place in ipairs(exit) do
      redis.call(place.kind == 'slots' and 'SREM' or 'ZREM', prefix .. place.name, exit.id)
      if place.waited_for then
        touch(prefix, 'unpark:' .. place.service .. ' ' .. place.key, at_ms)
      elseif place.kind == 'slots' and place.key == '' or place.kind == 'lane' then
        touch(prefix, 'fill:' .. place.service, at_ms)
      end
    end
    redis.call('HDEL', prefix .. 'task:' .. exit.id, 'flow_places', 'flow_score')
  end
  exits = {}
end
