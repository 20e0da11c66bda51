-- Adds a heartbeat.
-- KEYS: heartbeats
-- ARGV: replica · number of its heartbeat · how many heartbeats the stream keeps
-- Replies with the id of the heartbeat in the stream.
local heartbeats = KEYS[1]
local replica, number, length = unpack(ARGV)

local function add()
  return redis.pcall('XADD', heartbeats, 'MAXLEN', '~', length, '*', 'r', replica, 'n', number)
end

ensure_type(heartbeats, 'stream')
local id = add()
if type(id) == 'table' and string.find(id.err, 'exhausted') then
  -- The stream's last possible id was used by hand: start the stream again.
  redis.call('DEL', heartbeats)
  id = add()
end
return id
