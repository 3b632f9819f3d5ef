-- scenario_standing: all that says where a scenario stands, as texts in the order of `ScenarioStanding`
-- (orchestrator/store/scenario_standing.py). Reads only. Needs the fragment task_ids.
local SCENARIO_STANDING = {
  'status', 'total', 'pending', 'processing', 'success', 'failed', 'skipped', 'cancelled', 'tolerated', 'materialized', 'spawned',
  'updated_at', 'finished_at', 'created_ms', 'cancel', 'cancel_at', 'paused', 'pause_at', 'revive', 'purged', 'tenant', 'batch',
  'error', 'outcome', 'within', 'task_ids',
}

-- Where a scenario stands; an empty list when there is no such scenario.
local function scenario_standing_of(prefix, scenario_id)
  local v = redis.call('HMGET', prefix .. 'scenario:' .. scenario_id, unpack(SCENARIO_STANDING))
  if not v[1] then return {} end
  local n = #SCENARIO_STANDING
  for i = 1, n do v[i] = v[i] or '' end
  v[n] = joined_ids(prefix .. 'scenario:' .. scenario_id, v[n])
  for k, status in ipairs({'pending', 'processing', 'success', 'failed', 'cancelled'}) do
    v[n + k] = redis.call('ZSCORE', prefix .. 'index:' .. status, scenario_id) or ''
  end
  for k, kind in ipairs({'purge:', 'cancel:', 'pause:', 'resume:', 'revive:'}) do
    v[n + 5 + k] = redis.call('ZSCORE', prefix .. 'timers', kind .. scenario_id) or ''
  end
  return v
end
