-- Keep the text of a persisted query, and drop the least recently used ones.
--
-- KEYS
--   texts   hash: digest -> text
--   used    sorted set: digest -> when it was used last, ms
-- ARGV
--   digest
--   text
--   count   how many are kept
--   life    ms until all of them expire, if none is used
local texts, used = KEYS[1], KEYS[2]
local digest, text, count, life = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

ensure_type(texts, 'hash')
ensure_type(used, 'zset')
redis.call('HSET', texts, digest, text)
redis.call('ZADD', used, digits(now_ms), digest)
local surplus = redis.call('ZCARD', used) - count
if surplus > 0 then
  for _, oldest in ipairs(redis.call('ZRANGE', used, 0, surplus - 1)) do
    redis.call('HDEL', texts, oldest)
    redis.call('ZREM', used, oldest)
  end
end
redis.call('PEXPIRE', texts, life)
redis.call('PEXPIRE', used, life)
