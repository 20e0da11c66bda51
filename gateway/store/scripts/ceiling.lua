-- What take and refused share: how many requests may be under way now. See core/ratelimit.Ceiling.
local function ceiling_now(key, now, at_most, at_least)
  local kept = kind_of(key) == 'string' and redis.call('GET', key) or ''
  local lowered_to, lowered_at = string.match(kept, '^(%d+) (%d+)$')
  lowered_to, lowered_at = number_of(lowered_to), number_of(lowered_at)
  if not lowered_to or not lowered_at then
    return at_most
  end
  if lowered_at > now then
    -- The clock has gone back: it must not stay low until the clock has caught up.
    lowered_at = now
    redis.call('SET', key, digits(lowered_to) .. ' ' .. digits(now), 'PX', at_most * 1000)
  end
  local grown = math.floor((now - lowered_at) / 1000000)
  return math.max(at_least, math.min(at_most, lowered_to + grown))
end
