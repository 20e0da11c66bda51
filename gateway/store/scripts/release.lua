-- Release a lease, unless somebody else holds it by now.
--
-- KEYS
--   lease  string: the holder
-- ARGV
--   owner  the caller's name
--
-- Returns: whether the owner held the lease (1 or 0)
local lease = KEYS[1]
local owner = ARGV[1]

if kind_of(lease) == 'string' and redis.call('GET', lease) == owner then
  return redis.call('DEL', lease)
end
return 0
