-- Claim an idempotency key for one attempt to make the change of its request.
--
-- KEYS: record · ARGV: digest of the request · owner · lease (ms) · lifetime of the record
--   (s) · target to record, or '' · time of the first attempt (ms), or '' for now
-- Returns: {'other', result or target or ''} the key belongs to another request ·
--   {'done', result} its change was made · {'busy'} another attempt holds the claim ·
--   {'claimed', 1 if an earlier attempt may have sent its request else 0, time of the first
--   claim (ms), target or ''}
local record = KEYS[1]
local body, owner, lease_ms, lifetime_s, target, given_began_ms =
  ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]

ensure_type(record, 'hash')
local known_body, result, holder, until_ms, began_ms, doubt, known_target = unpack(redis.call(
  'HMGET', record, 'body', 'result', 'owner', 'until', 'began', 'doubt', 'target'))
if known_body and known_body ~= body then
  return { 'other', result or known_target or '' }
elseif result then
  return { 'done', result }
elseif holder and holder ~= owner and (timestamp_of(until_ms) or 0) > now_ms then
  return { 'busy' }
end
-- An attempt whose claim expired may have sent its request. The same owner has not: its
-- claim arrived twice, because the first reply was lost, or is renewed.
local has_expired = holder and holder ~= owner
local may_be_done = (has_expired or doubt == '1') and 1 or 0
began_ms = timestamp_of(began_ms) or timestamp_of(given_began_ms) or now_ms
redis.call('HSET', record, 'body', body, 'owner', owner, 'until', digits(now_ms + lease_ms),
  'began', digits(began_ms), 'doubt', may_be_done)
if target ~= '' then
  redis.call('HSETNX', record, 'target', target)
end
redis.call('EXPIRE', record, lifetime_s)
return { 'claimed', may_be_done, digits(began_ms), redis.call('HGET', record, 'target') or '' }
