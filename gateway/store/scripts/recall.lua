-- The text of a persisted query, which counts as used now; false if it is unknown.
--
-- KEYS
--   texts   hash: digest -> text
--   used    sorted set: digest -> when it was used last, ms
-- ARGV
--   digest
--   life    ms until all of them expire, if none is used
local texts, used = KEYS[1], KEYS[2]
local digest, life = ARGV[1], ARGV[2]

if kind_of(texts) ~= 'hash' or kind_of(used) ~= 'zset' then
  return false
end
local text = redis.call('HGET', texts, digest)
if text then
  redis.call('ZADD', used, digits(now_ms), digest)
  redis.call('PEXPIRE', texts, life)
  redis.call('PEXPIRE', used, life)
end
return text
