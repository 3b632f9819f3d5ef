-- within: the pause of a scenario reaches the scenarios that its tasks are. What is paused so says whose pause it is, as the
-- first member of `paused`, and goes on with it; what somebody paused by itself does not say so, and is left alone.
-- A scenario with the field `within` has paused some.

-- Whether a pause came from above.
local function is_handed_down(paused)
  return paused and string.find(paused, '^{"scenario_id":"') ~= nil
end

-- The pause of a scenario as those within it have it: it names the scenario that somebody paused.
local function handed_down(scenario_id, paused)
  return is_handed_down(paused) and paused or '{"scenario_id":"' .. scenario_id .. '",' .. string.sub(paused, 2)
end
