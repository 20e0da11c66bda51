-- Twilio has refused a request: too many a second, or too many at once. It does not say
-- which.
--
-- KEYS
--   pause      string with an expiry: no request passes while it exists
--   in_flight  sorted set of permits
--   ceiling    string: the limit on requests in flight, see ceiling.lua
-- ARGV
--   now        µs; empty for the server's clock (tests pass a time)
--   pause_ms   how long no request may pass
--   at_most    upper bound of the ceiling
--   at_least   lower bound of the ceiling
--   percent    the new ceiling, as a share of the requests in flight
--
-- Returns: how many requests may be in flight now
local pause, in_flight, ceiling = unpack(KEYS)
local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or now_us
local pause_ms, at_most, at_least = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local percent = tonumber(ARGV[5])

local max_in_flight = ceiling_now(ceiling, now, at_most, at_least)
local left_ms = redis.call('PTTL', pause)
-- Refusals come together. Only the first one lowers the ceiling: the others were in
-- flight with it.
if left_ms <= 0 then
  local in_flight_count = kind_of(in_flight) == 'zset' and redis.call('ZCARD', in_flight) or 0
  local lowered = math.floor(math.min(max_in_flight, in_flight_count) * percent / 100)
  max_in_flight = math.max(at_least, lowered)
  local lifetime_ms = (at_most - max_in_flight) * 1000 + 1000
  redis.call('SET', ceiling, digits(max_in_flight) .. ' ' .. digits(now), 'PX', digits(lifetime_ms))
end
if pause_ms > math.max(0, left_ms) then
  redis.call('SET', pause, '', 'PX', pause_ms)
end
return max_in_flight
