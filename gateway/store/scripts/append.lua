-- Appends an event to the log once, and updates the keys that depend on it. Reads
-- everything first, then writes: Redis does not undo a script that fails half-way.
-- KEYS: log · log:meta · the room's log · seen · seen of the event that this one may repeat
-- (or the same key) · the room's versions · the room's end · the cached room · the name, if
-- the event has one
-- ARGV: instructions (JSON, see `EventLog._instructions`) · event · the room to cache,
-- or ''
-- Replies with names and values: is_new, epoch, n, tag, event. A repeated event has its
-- first position. Then either its tag is known or, if the record of it is gone, the
-- logged event.
local log, meta, room_log, seen, seen_other, versions, tombstone, cache, name = unpack(KEYS)
local to, event, room_value = cjson.decode(ARGV[1]), ARGV[2], ARGV[3]

local function reply(is_new, epoch, n, tag, logged_event)
  return { 'is_new', is_new, 'epoch', epoch, 'n', n, 'tag', tag, 'event', logged_event }
end

-- Read.

for _, key in ipairs({ seen, seen_other }) do
  if kind_of(key) == 'string' then
    local epoch, n, tag = string.match(redis.call('GET', key), '^(%x+) (%d+) (%x+)$')
    if epoch then
      return reply(0, epoch, n, tag, false)
    end
  end
end

-- The record may have been deleted: then search the last entries of the room. The
-- room's stream may have been deleted too. A stream that began only just now proves
-- nothing, so search the account's log as well.
local room_last = last_number_of(room_log)
local function find_repeat(stream, count)
  for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', count)) do
    local dedupe = field(entry, 'd')
    local is_repeat = dedupe == to.dedupe or dedupe == to.dedupe_other
    if is_repeat and field(entry, 'e') and field(entry, 'j') then
      local n = string.match(entry[1], '^%d+')
      return reply(0, field(entry, 'e'), n, false, field(entry, 'j'))
    end
  end
end
local is_young = true
if room_last and room_last > 0 then
  local repeated = find_repeat(room_log, to.look_back)
  if repeated then
    return repeated
  end
  local first = first_entry(room_log, '-')
  local began_at = first and timestamp_of(field(first, 't'))
  is_young = not began_at or began_at > now_ms - to.young_ms
end
if is_young and kind_of(log) == 'stream' then
  local repeated = find_repeat(log, to.look_back_in_log)
  if repeated then
    return repeated
  end
end

local head = read_head(log, meta, to.new_epoch, room_last)
local ended_as, end_time, duration
if kind_of(tombstone) == 'hash' then
  ended_as, end_time, duration =
    unpack(redis.call('HMGET', tombstone, 'status', 'end_time', 'duration'))
end
local is_ended = ended_as and true or false
local is_cached_missing = kind_of(cache) == 'string'
  and redis.call('GETRANGE', cache, 0, 8) == '0 0 null'
local is_named = name and kind_of(name) == 'string' and redis.call('GET', name) == to.sid

-- Write. Nothing below can fail: every key has its type or is given it, and n is above
-- the last number of both streams.

if head.is_new then
  write_head(head, log, meta)
end
if room_last == nil then
  redis.call('DEL', room_log)
end
local n = digits(head.n + 1)
-- Each entry holds the tag of the one before it. After a failover, a reader that
-- continues can tell whether this is still the log that it knows.
local fields = {
  'e', head.epoch, 't', digits(now_ms), 'd', to.dedupe, 'j', event, 'p', head.tag or '',
}
-- A callback may arrive after the end of its room and say that it is in progress. The
-- entry keeps the end, so that every reader of the log shows the room as ended.
if is_ended then
  fields[#fields + 1] = 'r'
  fields[#fields + 1] = ended_as .. '|' .. (end_time or '') .. '|' .. (duration or '')
end
redis.call('XADD', log, 'MAXLEN', '~', to.log_length, n .. '-0', unpack(fields))
redis.call('HSET', meta, 'n', n, 'last', to.dedupe, 'tag', to.tag)
redis.call('XADD', room_log, 'MAXLEN', '~', to.room_length, n .. '-0', unpack(fields))
redis.call('EXPIRE', room_log, to.room_s)
redis.call('SET', seen, head.epoch .. ' ' .. n .. ' ' .. to.tag, 'EX', to.seen_s)

ensure_type(versions, 'hash')
for _, fence in ipairs(to.fences) do
  redis.call('HSET', versions, fence, n)
end
redis.call('EXPIRE', versions, to.room_s)

-- The first end is final: a callback that follows our own completeRoom does not change
-- it.
if to.ended and not is_ended then
  redis.call('DEL', tombstone)
  redis.call('HSET', tombstone, unpack(to.ended))
  redis.call('EXPIRE', tombstone, to.end_s)
  is_ended = true
end

if name and to.is_name_taken and not is_ended then
  redis.call('SET', name, to.sid, 'PX', to.name_ms)
elseif is_named and is_ended then
  redis.call('DEL', name)
end

if is_cached_missing then
  redis.call('DEL', cache)
end
if room_value ~= '' and (to.is_value_ended or not is_ended) then
  local is_final = to.is_value_ended and ' 1 ' or ' 0 '
  redis.call('SET', cache, n .. is_final .. room_value, 'PX', to.value_ms)
end
return reply(1, head.epoch, n, to.tag, false)
