-- Take permits to send requests to Twilio. The arithmetic is that of check_rate and
-- Ceiling in core/limits/rate_limit.py.
--
-- KEYS
--   rate       string '<full at, µs> <last seen, µs>': the state of the rate limit
--   pause      string with an expiry: no request passes while it exists
--   in_flight  sorted set of permits, by the time at which each expires, µs
--   ceiling    string: the limit on requests in flight, see ceiling.lua
-- ARGV
--   now               µs; empty for the server's clock (tests pass a time)
--   interval          µs between requests
--   burst             requests
--   max_wait          µs that a request may be booked ahead
--   at_most           upper bound of the ceiling; 0: requests in flight are not limited or counted
--   at_least          lower bound of the ceiling
--   percent           share of the ceiling that this caller may use
--   permit_ttl_ms     when a permit expires that is not released
--   wanted            number of permits
--   assume_full_in    µs: the full burst counts as available only then if `rate` is missing
--   ...               `wanted` permits, then the permits to release
--
-- Returns: how many are granted (the first ones), when the full burst is available
-- again (µs), how long to wait (µs), now (µs), how many are in flight, how many may be,
-- whether that is the reason for granting none (1 or 0)
local rate, pause, in_flight, ceiling = unpack(KEYS)
local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or now_us
local interval, burst, max_wait = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at_most, at_least, percent = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local permit_ttl, wanted = tonumber(ARGV[8]) * 1000, tonumber(ARGV[9])
local assume_full_in = tonumber(ARGV[10])
local FIRST_PERMIT = 11
local first_released = FIRST_PERMIT + wanted
-- When all places are taken, retry after this time (µs). The requests of other replicas
-- end without a notification; at its own ones, a replica retries at once.
local FULL_RETRY = 20000

local state = kind_of(rate) == 'string' and redis.call('GET', rate) or ''
local full_at, seen_at = string.match(state, '^(%d+) (%d+)$')
full_at, seen_at = number_of(full_at), number_of(seen_at) or 0
if not full_at then
  -- The server may have lost its data: permits booked before that may still be used.
  full_at = assume_full_in > 0 and now + assume_full_in or 0
end
local pause_left = math.max(0, redis.call('PTTL', pause)) * 1000

-- When the server's clock goes back, all times move back with it. So no request waits
-- until the clock has caught up, and none passes too early.
local step_back = math.max(0, seen_at - now)
if step_back > 0 then
  full_at = math.max(0, full_at - step_back)
  if pause_left > 0 then
    pause_left = math.max(1000, pause_left - step_back)
    redis.call('PEXPIRE', pause, math.ceil(pause_left / 1000))
  end
end

local is_full, in_flight_count, max_in_flight = false, 0, 0
if at_most > 0 then
  ensure_type(in_flight, 'zset')
  for i = first_released, #ARGV do
    redis.call('ZREM', in_flight, ARGV[i])
  end
  -- Permits of a replica that died; and those from before the clock went back, which
  -- would otherwise stay for as long as it went back.
  redis.call('ZREMRANGEBYSCORE', in_flight, '-inf', digits(now))
  redis.call('ZREMRANGEBYSCORE', in_flight, '(' .. digits(now + permit_ttl), '+inf')
  in_flight_count = redis.call('ZCARD', in_flight)
  max_in_flight = ceiling_now(ceiling, now, at_most, at_least)
  local places = math.max(1, math.floor(max_in_flight * percent / 100)) - in_flight_count
  is_full = wanted > 0 and places <= 0
  wanted = math.max(0, math.min(wanted, places))
end

local start = now + pause_left
local full_in = math.max(full_at, start) - start
local available = math.max(0, math.floor((burst * interval - full_in) / interval))
local granted, wait = math.min(wanted, available), pause_left
if wanted > 0 and (granted == 0 or pause_left > 0) then
  granted = 1
  wait = pause_left + math.max(0, full_in + interval - burst * interval)
  if wait > max_wait then
    granted, wait = 0, wait - max_wait
  end
end
if is_full then
  wait = math.max(pause_left, FULL_RETRY)
end
if granted > 0 then
  full_at = start + full_in + granted * interval
  for i = FIRST_PERMIT, FIRST_PERMIT + granted - 1 do
    if at_most > 0 then
      redis.call('ZADD', in_flight, digits(now + permit_ttl), ARGV[i])
    end
  end
  in_flight_count = in_flight_count + granted
end
if at_most > 0 then
  redis.call('PEXPIRE', in_flight, digits(permit_ttl / 1000))
end
-- The state is kept for a minute longer than it limits anything, to notice a clock that
-- goes back.
local lifetime_ms = math.ceil(math.max(0, full_at - now) / 1000) + 60000
redis.call('SET', rate, digits(full_at) .. ' ' .. digits(now), 'PX', digits(lifetime_ms))
return {
  granted,
  digits(full_at),
  digits(wait),
  digits(now),
  in_flight_count,
  max_in_flight,
  is_full and 1 or 0,
}
