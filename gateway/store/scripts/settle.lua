-- Record how an attempt to make the change of an idempotency key ended.
--
-- KEYS: record · ARGV: digest of the request · owner · result, or '' · 1 if this or an
--   earlier attempt may have made the change, else 0 · lifetime of the record (s)
-- Returns: 1, or 0 if another attempt holds the claim
local record = KEYS[1]
local body, owner, result, may_be_done, lifetime_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

ensure_type(record, 'hash')
if result ~= '' then
  -- An attempt whose claim expired may do this too: the change was made, and every
  -- attempt with the key finds the same result.
  redis.call('HSETNX', record, 'result', result)
  redis.call('HSET', record, 'body', body)
  redis.call('HDEL', record, 'owner', 'until')
elseif redis.call('HGET', record, 'owner') ~= owner then
  return 0
elseif may_be_done == '1' or redis.call('HEXISTS', record, 'target') == 1 then
  redis.call('HSET', record, 'doubt', may_be_done)
  redis.call('HDEL', record, 'owner', 'until')
else
  redis.call('DEL', record)
end
redis.call('EXPIRE', record, lifetime_s)
return 1
