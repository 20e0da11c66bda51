-- Keep what was fetched of a room, unless something is known that the fetch may not have seen.
-- KEYS: cached value, room's versions, room's end
-- ARGV: value · seen: the log's n before the fetch began · whether it is no room, or one that is over (1, 0) · lifetime, ms ·
-- the fence it depends on
-- Answers: whether it was kept, the version, then status, end_time and duration of the room's end
local cache, versions, tombstone = KEYS[1], KEYS[2], KEYS[3]
local value, seen, is_over, lifetime_ms, fence = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]

local version = kind_of(versions) == 'hash' and number_of(redis.call('HGET', versions, fence)) or 0
local ended = kind_of(tombstone) == 'hash' and redis.call('HMGET', tombstone, 'status', 'end_time', 'duration') or {}

-- A room that is over stays over, for no event tells the end of a room that has no callback of ours; else the fetch that
-- began later wins.
local function is_older_than_kept()
  local kept = kind_of(cache) == 'string' and redis.call('GETRANGE', cache, 0, 24) or ''
  local kept_seen, kept_over = string.match(kept, '^(%d+) ([01]) ')
  kept_seen = number_of(kept_seen)
  return kept_seen and (kept_over > is_over or (kept_over == is_over and kept_seen > seen))
end

local is_kept = 0
if version <= seen and (is_over == '1' or not ended[1]) and not is_older_than_kept() then
  redis.call('SET', cache, digits(seen) .. ' ' .. is_over .. ' ' .. value, 'PX', lifetime_ms)
  is_kept = 1
end
return { is_kept, digits(version), ended[1] or false, ended[2] or false, ended[3] or false }
