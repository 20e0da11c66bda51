-- Record how an attempt to create the room of an idempotency key ended.
--
-- KEYS: record · ARGV: digest of the body · owner · SID of the room, or '' · 1 if this or an
--   earlier attempt may have created the room, else 0 · lifetime of the record (s)
-- Returns: 1, or 0 if another attempt holds the claim
local record = KEYS[1]
local body, owner, sid, may_exist, lifetime_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

ensure_type(record, 'hash')
if sid ~= '' then
  -- An attempt whose claim expired may do this too: the room exists, and every attempt
  -- with the key finds the same one.
  redis.call('HSETNX', record, 'sid', sid)
  redis.call('HSET', record, 'body', body)
  redis.call('HDEL', record, 'owner', 'until')
elseif redis.call('HGET', record, 'owner') ~= owner then
  return 0
elseif may_exist == '1' then
  redis.call('HDEL', record, 'owner', 'until')
else
  redis.call('DEL', record)
end
redis.call('EXPIRE', record, lifetime_s)
return 1
