-- Log an event once, and make old what it makes old. Asks first, then writes: a script that fails half-way is not undone.
-- KEYS: log, log:meta, room's log, seen, room's versions, room's end, cached room, and the name when the event has one
-- ARGV: what to do (JSON) · event · the room to cache or ''
-- Answers: whether it is new, then the place: epoch, n, tag; instead of the tag the event, where only that is known
local log, meta, room_log, seen, versions, tombstone, cache, name = unpack(KEYS)
local to, event, room_value = cjson.decode(ARGV[1]), ARGV[2], ARGV[3]

-- Ask.

if kind_of(seen) == 'string' then
  local epoch, n, tag = string.match(redis.call('GET', seen), '^(%x+) (%d+) (%x+)$')
  if epoch then
    return { 0, epoch, n, tag, false }
  end
end

-- The record may have been deleted: then the last entries of the room tell. Its stream may have been deleted too; one that
-- began only just now proves nothing, so the account's log is asked as well.
local room_last = last_of(room_log)
local function logged_before(stream, count)
  for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', count)) do
    local fields = entry[2]
    if fields[6] == to.dedupe and fields[8] then
      return { 0, fields[2], string.match(entry[1], '^%d+'), false, fields[8] }
    end
  end
end
local is_young = true
if room_last and room_last > 0 then
  local before = logged_before(room_log, to.look_back)
  if before then
    return before
  end
  local first = redis.call('XRANGE', room_log, '-', '+', 'COUNT', 1)[1]
  local began_at = first and moment_of(first[2][4])
  is_young = not began_at or began_at > now_ms - to.young_ms
end
if is_young and kind_of(log) == 'stream' then
  local before = logged_before(log, to.look_back_in_log)
  if before then
    return before
  end
end

local head = ask_head(log, meta, to.new_epoch, room_last)
local is_ended = kind_of(tombstone) == 'hash' and redis.call('HEXISTS', tombstone, 'status') == 1
local is_thought_missing = kind_of(cache) == 'string' and redis.call('GETRANGE', cache, 0, 8) == '0 0 null'
local is_named = name and kind_of(name) == 'string' and redis.call('GET', name) == to.sid

-- Write. Nothing below can fail: every key is of its kind or made so, and n is above the last id of both streams.

if head.is_new then
  begin(head, log, meta)
end
if room_last == nil then
  redis.call('DEL', room_log)
end
local n = digits(head.n + 1)
-- With the tag of the entry before it: whoever reads on after a failover sees whether it is the log that he knew.
local entry = { 'e', head.epoch, 't', digits(now_ms), 'd', to.dedupe, 'j', event, 'p', head.tag or '' }
redis.call('XADD', log, 'MAXLEN', '~', to.log_length, n .. '-0', unpack(entry))
redis.call('HSET', meta, 'n', n, 'last', to.dedupe, 'tag', to.tag)
redis.call('XADD', room_log, 'MAXLEN', '~', to.room_length, n .. '-0', unpack(entry))
redis.call('EXPIRE', room_log, to.room_s)
redis.call('SET', seen, head.epoch .. ' ' .. n .. ' ' .. to.tag, 'EX', to.seen_s)

make_way(versions, 'hash')
for _, fence in ipairs(to.fences) do
  redis.call('HSET', versions, fence, n)
end
redis.call('EXPIRE', versions, to.room_s)

-- The first end is final: a callback that comes after our own completeRoom does not change it.
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

if is_thought_missing then
  redis.call('DEL', cache)
end
if room_value ~= '' and (to.is_value_ended or not is_ended) then
  redis.call('SET', cache, n .. (to.is_value_ended and ' 1 ' or ' 0 ') .. room_value, 'PX', to.value_ms)
end
return { 1, head.epoch, n, to.tag, false }
