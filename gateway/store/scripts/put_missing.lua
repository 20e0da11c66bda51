-- Remember for a moment that Twilio knows no such room. Never of one that an event or an earlier answer told of: Twilio's
-- REST has been seen to answer 404 for a room whose callback was here (twilio/twilio-node#593).
-- KEYS: cached room, room's versions, room's end, room's log · ARGV: lifetime, ms
-- Answers: whether it was kept
if redis.call('EXISTS', unpack(KEYS)) > 0 then
  return 0
end
redis.call('SET', KEYS[1], '0 0 null', 'PX', ARGV[1])
return 1
