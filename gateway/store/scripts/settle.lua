-- Write down what became of a try: the room was made, perhaps made, or surely not.
-- KEYS: record · ARGV: digest of the body · owner · SID or '' · whether an earlier try, or this one, may have been sent (1, 0) ·
-- kept for, s
local record = KEYS[1]
local body, owner, sid, is_doubtful, kept_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

ensure_type(record, 'hash')
if sid ~= '' then
  -- Also by one whose lease has run out: the room is there, and every try of this key finds the same one.
  redis.call('HSETNX', record, 'sid', sid)
  redis.call('HSET', record, 'body', body)
  redis.call('HDEL', record, 'owner', 'until')
elseif redis.call('HGET', record, 'owner') ~= owner then
  return 0
elseif is_doubtful == '1' then
  redis.call('HDEL', record, 'owner', 'until')
else
  redis.call('DEL', record)
end
redis.call('EXPIRE', record, kept_s)
return 1
