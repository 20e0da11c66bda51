-- Give a lease back, unless somebody else has it by now.
-- KEYS: lease · ARGV: owner · Answers: whether it was the owner's
local lease, owner = KEYS[1], ARGV[1]

if kind_of(lease) == 'string' and redis.call('GET', lease) == owner then
  return redis.call('DEL', lease)
end
return 0
