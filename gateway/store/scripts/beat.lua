-- A replica's sign of life.
-- KEYS: heartbeats · ARGV: replica · its how many-eth · how many are kept · Answers: its id in the stream
local beats, replica, number, kept = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local function add()
  return redis.pcall('XADD', beats, 'MAXLEN', '~', kept, '*', 'r', replica, 'n', number)
end

make_way(beats, 'stream')
local id = add()
if type(id) == 'table' and string.find(id.err, 'exhausted') then
  -- Somebody gave out the last id there is.
  redis.call('DEL', beats)
  id = add()
end
return id
