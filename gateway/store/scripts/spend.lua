-- May a caller spend so much, and then so much? The arithmetic is that of core/purse.spend.
-- KEYS: purse
-- ARGV: window, µs · owed, µs (may be below 0) · now, µs (given by tests; else empty: the server's clock) · one cost after the
-- other, µs
-- Answers, for each cost: whether it is allowed, how long until all is there again (µs)
local purse = KEYS[1]
local window, owed, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) or now_us

-- A clock that went back, or a key that was meddled with, leaves it empty at the worst: it fills from there.
local full_at = kind_of(purse) == 'string' and number_of(redis.call('GET', purse)) or 0
local used = math.min(math.max(0, math.max(full_at, now) - now + owed), window)
local answers = {}
for place = 4, #ARGV do
  local cost = tonumber(ARGV[place])
  local is_allowed = used + cost <= window
  if is_allowed then
    used = used + cost
  end
  answers[#answers + 1] = is_allowed and 1 or 0
  answers[#answers + 1] = digits(used)
end
if used > 0 then
  redis.call('SET', purse, digits(now + used), 'PX', digits(math.ceil(used / 1000)))
else
  redis.call('DEL', purse)
end
return answers
