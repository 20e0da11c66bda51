-- Twilio refused a request for coming too soon, or for too many at once: it does not say which.
-- KEYS: pause, under way, ceiling
-- ARGV: now, µs (given by tests; else '') · how long nobody may pass, ms · the most under way · the least of the most ·
-- percent of those under way that may be from now on
-- Answers: how many may be under way now
local pause, under_way, ceiling = unpack(KEYS)
local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or now_us
local pause_ms, at_most, at_least, percent = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local may_be = ceiling_now(ceiling, now, at_most, at_least)
local left_ms = redis.call('PTTL', pause)
-- Refusals come together: those that were under way at the first one tell nothing new.
if left_ms <= 0 then
  local busy = kind_of(under_way) == 'zset' and redis.call('ZCARD', under_way) or 0
  may_be = math.max(at_least, math.floor(math.min(may_be, busy) * percent / 100))
  local lifetime_ms = (at_most - may_be) * 1000 + 1000
  redis.call('SET', ceiling, digits(may_be) .. ' ' .. digits(now), 'PX', digits(lifetime_ms))
end
if pause_ms > math.max(0, left_ms) then
  redis.call('SET', pause, '', 'PX', pause_ms)
end
return may_be
