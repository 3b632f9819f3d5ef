-- rules: what a template says of a task beside its work; see `rules` in ARCHITECTURE.md. Most tasks have none.
local NO_RULES = {}

-- Rules of a task whose field `rules` was read. They are ours, so cjson may read them.
local function rules_of(task)
  local rules = task.rules
  if not rules then return NO_RULES end
  if type(rules) == 'string' then
    rules = rules ~= '' and cjson.decode(rules) or false
    task.rules = rules
  end
  return rules or NO_RULES
end
