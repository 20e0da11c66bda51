-- Stores a fetched value, unless something is known that the fetch may not have seen.
-- KEYS: the cached value · versions · the room's end
-- ARGV: value · seen_n (the log's newest number before the fetch began) · is_final (0 for a room in
-- progress, else 1) · lifetime in ms · the fence that the value depends on
-- Replies with whether the value was stored, then with status, end_time and duration of the room's
-- end.
local cache, versions, tombstone = KEYS[1], KEYS[2], KEYS[3]
local value, seen_n, is_final, lifetime_ms, fence = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]

local version_n = kind_of(versions) == 'hash' and number_of(redis.call('HGET', versions, fence)) or 0
local ended = kind_of(tombstone) == 'hash' and redis.call('HMGET', tombstone, 'status', 'end_time', 'duration') or {}

-- A room that has ended stays ended: no event reports the end of a room without our callback.
-- Otherwise the fetch that began later wins.
local function is_older_than_stored()
  local stored = kind_of(cache) == 'string' and redis.call('GETRANGE', cache, 0, 24) or ''
  local stored_n, stored_final = string.match(stored, '^(%d+) ([01]) ')
  stored_n = number_of(stored_n)
  return stored_n and (stored_final > is_final or (stored_final == is_final and stored_n > seen_n))
end

local is_stored = 0
if version_n <= seen_n and (is_final == '1' or not ended[1]) and not is_older_than_stored() then
  redis.call('SET', cache, digits(seen_n) .. ' ' .. is_final .. ' ' .. value, 'PX', lifetime_ms)
  is_stored = 1
end
return { is_stored, ended[1] or false, ended[2] or false, ended[3] or false }
