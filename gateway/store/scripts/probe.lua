-- Tries each command that the gateway sends, on a key of its own, and returns the errors.
-- Most fail on the type of the key, after Redis has checked whether the user may run them.
-- KEYS: the key. Its content is dropped, and it is gone at the end.
local key = KEYS[1]
local commands = {
  -- A command that may need memory must be the first that writes: after it, Redis no
  -- longer checks its memory. SET replaces a key of any type.
  {'SET', key, 'v', 'PX', '1000'},
  {'EXISTS', key},
  {'EXPIRE', key, '1'},
  {'GET', key},
  {'GETRANGE', key, '0', '0'},
  {'HDEL', key, 'f'},
  {'HEXISTS', key, 'f'},
  {'HGET', key, 'f'},
  {'HMGET', key, 'f'},
  {'HSET', key, 'f', 'v'},
  {'HSETNX', key, 'f', 'v'},
  {'PEXPIRE', key, '1000'},
  {'PTTL', key},
  {'SADD', key, 'm'},
  {'SPOP', key, '1'},
  {'TIME'},
  {'TYPE', key},
  {'XADD', key, '*', 'f', 'v'},
  {'XINFO', 'STREAM', key},
  {'XRANGE', key, '-', '+', 'COUNT', '1'},
  {'XREAD', 'COUNT', '1', 'STREAMS', key, '0'},
  {'XREVRANGE', key, '+', '-', 'COUNT', '1'},
  {'XTRIM', key, 'MAXLEN', '0'},
  {'ZADD', key, '0', 'm'},
  {'ZCARD', key},
  {'ZRANGE', key, '0', '-1'},
  {'ZREM', key, 'm'},
  {'ZREMRANGEBYSCORE', key, '0', '0'},
  {'DEL', key},
}
local errors = {}
for _, command in ipairs(commands) do
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err then
    errors[#errors + 1] = command[1] .. ' ' .. reply.err
  end
end
return errors
