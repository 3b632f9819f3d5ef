-- retention: how long finished scenarios are kept, by how they ended.

-- Milliseconds by status from three numbers: of success, of failed, of cancelled.
local function retention_of(text)
  local success, failed, cancelled = string.match(text, '^(%d+) (%d+) (%d+)$')
  return {success = whole(success, 'retention'), failed = whole(failed, 'retention'), cancelled = whole(cancelled, 'retention')}
end
