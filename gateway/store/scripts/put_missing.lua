-- Remembers for a moment that Twilio has no such room, unless an event or an earlier answer has shown
-- the room: Twilio's REST API may answer 404 for a room whose callback has arrived
-- (https://github.com/twilio/twilio-node/issues/593).
-- KEYS: the cached room · the room's versions · the room's end · the room's log
-- ARGV: lifetime in ms
-- Replies with whether it was stored.
if redis.call('EXISTS', unpack(KEYS)) > 0 then
  return 0
end
redis.call('SET', KEYS[1], '0 0 null', 'PX', ARGV[1])
return 1
