-- Claim an idempotency key for one attempt to create its room.
--
-- KEYS: record · ARGV: digest of the body · owner · lease (ms) · lifetime of the record (s)
-- Returns: {'other'} the key belongs to another body · {'made', SID} its room was created
--   · {'busy'} another attempt holds the claim · {'claimed', 1 if an earlier attempt may
--   have sent its request else 0, time of the first claim (ms)}
local record = KEYS[1]
local body, owner, lease_ms, lifetime_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

ensure_type(record, 'hash')
local known_body, sid, holder, until_ms, began_ms, doubt = unpack(
  redis.call('HMGET', record, 'body', 'sid', 'owner', 'until', 'began', 'doubt'))
if known_body and known_body ~= body then
  return { 'other' }
elseif sid then
  return { 'made', sid }
elseif holder and holder ~= owner and (timestamp_of(until_ms) or 0) > now_ms then
  return { 'busy' }
end
-- An attempt whose claim expired may have sent its request. The same owner has not: its
-- claim arrived twice, because the first reply was lost.
local may_exist = known_body and (holder ~= owner or doubt == '1') and 1 or 0
began_ms = timestamp_of(began_ms) or now_ms
redis.call('HSET', record, 'body', body, 'owner', owner, 'until', digits(now_ms + lease_ms), 'began', digits(began_ms),
  'doubt', may_exist)
redis.call('EXPIRE', record, lifetime_s)
return { 'claimed', may_exist, digits(began_ms) }
