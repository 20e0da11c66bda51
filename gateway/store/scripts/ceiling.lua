-- Shared by take.lua and refused.lua: how many requests may be in flight now. The
-- arithmetic is that of Ceiling in core/limits/rate_limit.py.
local function ceiling_now(key, now, at_most, at_least)
  local state = kind_of(key) == 'string' and redis.call('GET', key) or ''
  local lowered_to, lowered_at = string.match(state, '^(%d+) (%d+)$')
  lowered_to, lowered_at = number_of(lowered_to), number_of(lowered_at)
  if not lowered_to or not lowered_at then
    return at_most
  end
  if lowered_at > now then
    -- The server's clock went back. The ceiling must not stay low until it catches up.
    lowered_at = now
    redis.call('SET', key, digits(lowered_to) .. ' ' .. digits(now), 'PX', at_most * 1000)
  end
  local grown = math.floor((now - lowered_at) / 1000000)
  return math.max(at_least, math.min(at_most, lowered_to + grown))
end
