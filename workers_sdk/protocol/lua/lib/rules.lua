-- rules: what a template says of a task beside its work; see `rules` in ARCHITECTURE.md. Most tasks have none.
local NO_RULES = {}

-- Rules of a task whose field `rules` was read. They are ours, so cjson may read them.
local function rules_of(task)
  if type(task.rules) == 'string' then task.rules = task.rules ~= '' and cjson.decode(task.rules) or false end
  return task.rules or NO_RULES
end
