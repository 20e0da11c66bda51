-- May one more request pass? The arithmetic is that of core/ratelimit.judge.
-- KEYS: rate, pause
-- ARGV: interval, µs · burst · patience, µs · now, µs (given by tests; else the server's clock)
-- Answers: whether it is allowed, when the full burst is there again (µs), how long to wait (µs)
local rate, pause = KEYS[1], KEYS[2]
local interval, burst, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = ARGV[4] and tonumber(ARGV[4]) or now_us

local kept = kind_of(rate) == 'string' and redis.call('GET', rate) or ''
local whole_at, seen_at = string.match(kept, '^(%d+) (%d+)$')
whole_at, seen_at = number_of(whole_at) or 0, number_of(seen_at) or 0
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

local turn = now + pause_us
local new_whole_at = math.max(whole_at, turn) + interval
local wait = pause_us + math.max(0, new_whole_at - burst * interval - turn)
local is_allowed = wait <= patience
if is_allowed then
  whole_at = new_whole_at
else
  wait = wait - patience
end
-- Kept a minute longer than it limits anything, to know the clock when it steps back.
local lifetime_ms = math.ceil(math.max(0, whole_at - now) / 1000) + 60000
redis.call('SET', rate, digits(whole_at) .. ' ' .. digits(now), 'PX', digits(lifetime_ms))
return { is_allowed and 1 or 0, digits(whole_at), digits(wait) }
