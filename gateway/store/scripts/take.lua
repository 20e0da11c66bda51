-- May more requests pass? The arithmetic is that of core/ratelimit: judge, and Ceiling.
-- KEYS: rate, pause, under way (leases by their end), ceiling
-- ARGV: now, µs (given by tests; else '': the server's clock) · interval, µs · burst · patience, µs · the most under way, or 0:
-- not limited and not counted · the least of the most · percent of it that is for the asker · a lease's life, ms · how many
-- leases are wanted · what may be owed if nothing is known of it here, µs · these leases · leases given back
-- Answers: how many are granted (the first leases), when the full burst is there again (µs), how long to wait (µs), now (µs),
-- how many are under way, how many may be
local rate, pause, under_way, ceiling = unpack(KEYS)
local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or now_us
local interval, burst, patience = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at_most, at_least, percent = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local lease_us, wanted = tonumber(ARGV[8]) * 1000, tonumber(ARGV[9])
local owed_if_lost = tonumber(ARGV[10])
local FIRST = 11
-- Everything is taken: whoever asks is not told when a request will end. It rings at the asker's own ones.
local FULL_US = 20000

local kept = kind_of(rate) == 'string' and redis.call('GET', rate) or ''
local whole_at, seen_at = string.match(kept, '^(%d+) (%d+)$')
-- A server that lost what it knew: turns that were told before may still be to come at Twilio.
whole_at, seen_at = number_of(whole_at) or (owed_if_lost > 0 and now + owed_if_lost) or 0, number_of(seen_at) or 0
local pause_us = math.max(0, redis.call('PTTL', pause)) * 1000

-- A server's clock that went back must not stop everybody until it has caught up: what was promised moves along with it.
-- No time counts as passed by such a step, so it never lets anybody through too early.
local step = math.max(0, seen_at - now)
if step > 0 then
  whole_at = math.max(0, whole_at - step)
  if pause_us > 0 then
    pause_us = math.max(1000, pause_us - step)
    redis.call('PEXPIRE', pause, math.ceil(pause_us / 1000))
  end
end

local is_full, busy, may_be = false, 0, 0
if at_most > 0 then
  ensure_type(under_way, 'zset')
  for i = FIRST + wanted, #ARGV do
    redis.call('ZREM', under_way, ARGV[i])
  end
  -- Of a replica that died; and of a clock that has gone back since: they would stay for as long as it went.
  redis.call('ZREMRANGEBYSCORE', under_way, '-inf', digits(now))
  redis.call('ZREMRANGEBYSCORE', under_way, '(' .. digits(now + lease_us), '+inf')
  busy = redis.call('ZCARD', under_way)
  may_be = ceiling_now(ceiling, now, at_most, at_least)
  local free = math.max(1, math.floor(may_be * percent / 100)) - busy
  is_full = wanted > 0 and free <= 0
  wanted = math.max(0, math.min(wanted, free))
end

local turn = now + pause_us
local owed = math.max(whole_at, turn) - turn
local free = math.max(0, math.floor((burst * interval - owed) / interval))
local granted, wait = math.min(wanted, free), pause_us
if wanted > 0 and (granted == 0 or pause_us > 0) then
  granted = 1
  wait = pause_us + math.max(0, owed + interval - burst * interval)
  if wait > patience then
    granted, wait = 0, wait - patience
  end
end
if is_full then
  wait = math.max(pause_us, FULL_US)
end
if granted > 0 then
  whole_at = turn + owed + granted * interval
  for i = FIRST, FIRST + granted - 1 do
    if at_most > 0 then
      redis.call('ZADD', under_way, digits(now + lease_us), ARGV[i])
    end
  end
  busy = busy + granted
end
if at_most > 0 then
  redis.call('PEXPIRE', under_way, digits(lease_us / 1000))
end
-- Kept a minute longer than it limits anything, to know the clock when it steps back.
local lifetime_ms = math.ceil(math.max(0, whole_at - now) / 1000) + 60000
redis.call('SET', rate, digits(whole_at) .. ' ' .. digits(now), 'PX', digits(lifetime_ms))
return { granted, digits(whole_at), digits(wait), digits(now), busy, may_be, is_full and 1 or 0 }
