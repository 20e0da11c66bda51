-- Take the right to make what an idempotency key stands for, unless it is made already or somebody is about to.
-- KEYS: record · ARGV: digest of the body · owner · lease, ms · kept for, s
-- Answers: other | made, SID | busy | claimed, whether an earlier try may have been sent, when the first one began (ms)
local record = KEYS[1]
local body, owner, lease_ms, kept_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

ensure_type(record, 'hash')
local known, sid, holder, until_ms, began_ms, doubt = unpack(
  redis.call('HMGET', record, 'body', 'sid', 'owner', 'until', 'began', 'doubt'))
if known and known ~= body then
  return { 'other' }
elseif sid then
  return { 'made', sid }
elseif holder and holder ~= owner and (timestamp_of(until_ms) or 0) > now_ms then
  return { 'busy' }
end
-- Whoever had it and did not give it back may have sent the request; but the same owner has not: its claim came twice, because
-- the first answer was lost.
local is_doubtful = known and (holder ~= owner or doubt == '1') and 1 or 0
began_ms = timestamp_of(began_ms) or now_ms
redis.call('HSET', record, 'body', body, 'owner', owner, 'until', digits(now_ms + lease_ms), 'began', digits(began_ms),
  'doubt', is_doubtful)
redis.call('EXPIRE', record, kept_s)
return { 'claimed', is_doubtful, digits(began_ms) }
