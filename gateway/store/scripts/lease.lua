-- Take a lease that is free, or renew one's own.
-- KEYS: lease · ARGV: owner · lifetime, ms
-- Answers: whether it is the owner's now, and for how long it is held, by whomever (ms)
local lease, owner, lifetime_ms = KEYS[1], ARGV[1], ARGV[2]

local holder = kind_of(lease) == 'string' and redis.call('GET', lease)
local left_ms = redis.call('PTTL', lease)
-- One without an end is nothing of ours: it would be held for ever.
if holder and holder ~= owner and left_ms > 0 then
  return { 0, left_ms }
end
redis.call('SET', lease, owner, 'PX', lifetime_ms)
return { 1, tonumber(lifetime_ms) }
