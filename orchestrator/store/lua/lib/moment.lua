-- moment: the reverse of the fragment iso: milliseconds since the Unix epoch of a text that `iso` made, or nil.
local function ms_of(text)
  local year, month, day, hour, minute, second, ms =
    string.match(text or '', '^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)%.(%d%d%d)Z$')
  if not year then return nil end
  local y, m = month + 0 > 2 and year + 0 or year - 1, (month + 9) % 12
  local era = math.floor(y / 400)
  local yoe = y - era * 400
  local doy = math.floor((153 * m + 2) / 5) + day - 1
  local days = era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
  return ((days * 24 + hour) * 60 + minute) * 60000 + second * 1000 + ms
end
