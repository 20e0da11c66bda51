-- Drops the entries that are older than an age. Numbers are not times, but both only
-- grow, so a binary search finds the boundary.
-- KEYS: log
-- ARGV: age, ms
-- Replies with the number of entries dropped. A few old entries stay: Redis drops whole
-- nodes of the stream, and copies nothing.
local log = KEYS[1]
local age_ms = tonumber(ARGV[1])

local last = last_number_of(log)
local first = last and first_entry(log, '-')
if not first then
  return 0
end
local cutoff = now_ms - age_ms
local low, high = number_of_entry(first), last + 1
while low < high do
  local middle = math.floor((low + high) / 2)
  local entry = first_entry(log, digits(middle) .. '-0')
  local at = entry and timestamp_of(field(entry, 't'))
  if at and at < cutoff then
    low = number_of_entry(entry) + 1
  else
    high = middle
  end
end
return redis.call('XTRIM', log, 'MINID', '~', digits(low) .. '-0')
