-- Points a name at the room that Twilio lists under it, or remembers that it lists none.
-- KEYS: the name · the room's end, if there is a room
-- ARGV: SID or '' · lifetime in ms
-- Replies with whether it was stored. An existing pointer stays: an event may have set it since the
-- fetch began.
local name, tombstone = KEYS[1], KEYS[2]
if tombstone and redis.call('EXISTS', tombstone) == 1 then
  return 0
end
if redis.call('TYPE', name).ok == 'string' and (ARGV[1] == '' or redis.call('GET', name) ~= '') then
  return 0
end
redis.call('SET', name, ARGV[1], 'PX', ARGV[2])
return 1
