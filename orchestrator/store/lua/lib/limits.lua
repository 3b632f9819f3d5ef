-- limits: how many tasks may run at once, and how soon one may follow another (GCRA: each moves the moment `tat`, at which
-- the next is expected, on by an interval; it may come up to `burst - 1` intervals early). Needs the fragment flow.
local seats, buckets = {}, {}

-- How many slots of a set are taken, with those that this call takes. Reads.
local function seats_of(prefix, name)
  if not seats[name] then seats[name] = {taken = redis.call('SCARD', prefix .. name)} end
  return seats[name]
end

-- The state of a rate. Reads.
local function bucket_of(prefix, name, rate)
  if not buckets[name] then
    buckets[name] = {key = prefix .. 'rate:' .. name, tat = tonumber(redis.call('GET', prefix .. 'rate:' .. name) or '0')}
  end
  local bucket = buckets[name]
  bucket.interval = rate.per_ms / rate.count
  bucket.slack = ((rate.burst or 1) - 1) * bucket.interval
  return bucket
end

-- When the next one may go. The thousandth is for what rounding adds to intervals that are no whole numbers.
local function due_of(bucket) return math.ceil(bucket.tat - bucket.slack - 0.001) end

-- `n` go now. One that was expected within this millisecond is not late.
local function pay(bucket, n, at_ms)
  bucket.tat, bucket.paid = (bucket.tat > at_ms - 1 and bucket.tat or at_ms) + n * bucket.interval, true
end

local function write_buckets(at_ms)
  for _, bucket in pairs(buckets) do
    local rest = math.ceil(bucket.tat - at_ms)
    if bucket.paid and rest > 0 then redis.call('SET', bucket.key, string.format('%.17g', bucket.tat), 'PX', rest) end
  end
end

-- Take a slot of the key of a task, whose rules of flow are `given`, and pay for it; `seated`: it has one and only pays.
-- Returns its set of slots; or nil, and when to look again (nil: as soon as one of those that have a slot ends). Reads.
local function take_key(prefix, service, given, at_ms, seated)
  local name = service .. ':' .. named(given.key)
  local seat = seats_of(prefix, 'slots:' .. name)
  if given.max and not seated and seat.taken >= given.max then return nil end
  if given.rate then
    local bucket = bucket_of(prefix, name, given.rate)
    if due_of(bucket) > at_ms then return nil, due_of(bucket) end
    pay(bucket, 1, at_ms)
  end
  if not seated then seat.taken = seat.taken + 1 end
  return 'slots:' .. name
end
