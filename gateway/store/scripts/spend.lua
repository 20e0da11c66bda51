-- Charge a caller for one or more calls. The arithmetic is that of spend in
-- core/limits/points_bucket.py.
--
-- KEYS
--   bucket      string: when all points are available again, µs
-- ARGV
--   window      µs in which all points come back
--   unreported  µs of points spent elsewhere and not reported yet; below 0: points to give back
--   now         µs; empty for the server's clock (tests pass a time)
--   ...         the cost of each call, µs
--
-- Returns, for each call: whether it is allowed (1 or 0), how long until all points are
-- back (µs)
local bucket = KEYS[1]
local window, unreported, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) or now_us
local FIRST_COST = 4

-- A clock that went back, or a value that is not ours, makes the bucket empty at worst:
-- it fills up from there.
local full_at = kind_of(bucket) == 'string' and number_of(redis.call('GET', bucket)) or 0
local used = math.min(math.max(0, math.max(full_at, now) - now + unreported), window)
local answers = {}
for i = FIRST_COST, #ARGV do
  local cost = tonumber(ARGV[i])
  local is_allowed = used + cost <= window
  if is_allowed then
    used = used + cost
  end
  answers[#answers + 1] = is_allowed and 1 or 0
  answers[#answers + 1] = digits(used)
end
if used > 0 then
  redis.call('SET', bucket, digits(now + used), 'PX', digits(math.ceil(used / 1000)))
else
  redis.call('DEL', bucket)
end
return answers
