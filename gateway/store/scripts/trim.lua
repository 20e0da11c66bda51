-- Drop the entries that are older than an age. Ids are not times, but both only grow: the boundary is found by halving.
-- KEYS: log · ARGV: age, ms
-- Answers: how many entries went; a few of the oldest stay, because whole nodes are dropped and nothing is copied.
local log, cutoff = KEYS[1], now_ms - tonumber(ARGV[1])

local last = last_of(log)
local first = last and redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
if not first then
  return 0
end
local low, high = tonumber(string.match(first[1], '^%d+')), last + 1
while low < high do
  local middle = math.floor((low + high) / 2)
  local entry = redis.call('XRANGE', log, digits(middle) .. '-0', '+', 'COUNT', 1)[1]
  local at = entry and moment_of(entry[2][4])
  if at and at < cutoff then
    low = tonumber(string.match(entry[1], '^%d+')) + 1
  else
    high = middle
  end
end
return redis.call('XTRIM', log, 'MINID', '~', digits(low) .. '-0')
