-- Take a lease that is free, or renew the owner's own.
--
-- KEYS
--   lease        string: the holder
-- ARGV
--   owner        the caller's name
--   lifetime_ms  when the lease expires
--
-- Returns: whether the owner holds the lease now (1 or 0), and how long the holder has
-- it (ms)
local lease = KEYS[1]
local owner, lifetime_ms = ARGV[1], ARGV[2]

local holder = kind_of(lease) == 'string' and redis.call('GET', lease)
local left_ms = redis.call('PTTL', lease)
-- A key without an expiry is not ours, and is overwritten: it would never become free.
if holder and holder ~= owner and left_ms > 0 then
  return { 0, left_ms }
end
redis.call('SET', lease, owner, 'PX', lifetime_ms)
return { 1, tonumber(lifetime_ms) }
