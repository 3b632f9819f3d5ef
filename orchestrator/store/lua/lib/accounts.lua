-- accounts: what a scenario counts for beside its index. `tenants` has how many scenarios of a tenant are not finished, a
-- batch how many of its scenarios are not finished and how many ended how. Changed in memory, written once.
local tenant_counts, batch_counts = {}, {}

-- Unfinished scenarios of a tenant, as they will be. Reads.
local function unfinished_of(prefix, tenant)
  tenant_counts[tenant] = tenant_counts[tenant] or {n = tonumber(redis.call('HGET', prefix .. 'tenants', tenant) or 0)}
  return tenant_counts[tenant]
end

-- A scenario goes from one state to another, `unfinished` or a status; `from` is nil for a new one. `tenant` and `batch` as
-- its hash has them: most have none. Reads.
local function move_account(prefix, tenant, batch, from, to)
  if tenant and tenant ~= '' then
    local found = unfinished_of(prefix, tenant)
    found.n = found.n + (to == 'unfinished' and 1 or 0) - (from == 'unfinished' and 1 or 0)
  end
  if not batch or batch == '' then return end
  local key = prefix .. 'batch:' .. batch
  local found = batch_counts[key]
  if found == nil then
    -- One that is gone must not come back as a ghost.
    found = (not from or redis.call('HEXISTS', key, 'total') == 1) and {} or false
    batch_counts[key] = found
  end
  if not found then return end
  if from then found[from] = (found[from] or 0) - 1 end
  found[to] = (found[to] or 0) + 1
end

local function write_accounts(prefix)
  for tenant, found in pairs(tenant_counts) do
    if found.n > 0 then
      redis.call('HSET', prefix .. 'tenants', tenant, found.n)
    else
      redis.call('HDEL', prefix .. 'tenants', tenant)
    end
  end
  for key, found in pairs(batch_counts) do
    for name, by in pairs(found or {}) do redis.call('HINCRBY', key, name, by) end
  end
end
