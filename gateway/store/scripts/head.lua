-- What the scripts share: where the log stands, and whether that can be trusted. Only
-- `write_head` and `ensure_type` write.
--
-- The head is the hash `log:meta`: epoch, base (the number before the epoch's first
-- entry), at (when it began, ms), n (the last number that was assigned), last and tag
-- (that entry's dedupe hash and tag; absent while n is base). Numbers start at the
-- server's clock in microseconds when the epoch begins, and count up. So they stay
-- below 2^53, where Lua counts exactly. Print them with `digits`, never with `..`,
-- which prints 1.7636e+15.

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
-- A number more than ten years ahead of the clock is damaged, and counts as absent.
local limit = now_us + 315576000000000

local function digits(n)
  return string.format('%.0f', n)
end

local function number_of(text)
  local n = text and string.match(text, '^%d+$') and tonumber(text)
  return n and n < limit and n or nil
end

local function timestamp_of(text)
  local ms = number_of(text)
  return ms and ms < limit / 1000 and ms or nil
end

local function is_hex16(text)
  return text and string.match(text, '^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$') ~= nil
end

local function kind_of(key)
  return redis.call('TYPE', key).ok
end

-- Deletes a key of another type: an operator may have stored anything under it.
local function ensure_type(key, kind)
  local found = kind_of(key)
  if found ~= kind and found ~= 'none' then
    redis.call('DEL', key)
  end
end

-- A value by its name in a flat list of names and values, as XINFO and stream entries have
-- them. No table is built: an append searches up to 96 entries (0.3 ms against 0.5 ms).
local function value_of(list, name)
  for i = 1, #list, 2 do
    if list[i] == name then
      return list[i + 1]
    end
  end
end

-- A stream entry is its id and a list of its fields. The append script writes them: e
-- (epoch), t (time, ms), d (dedupe hash), j (the event as JSON), p (tag of the entry
-- before it) and, if the room had ended before, r (status|end time|duration of its end).
local function field(entry, name)
  return value_of(entry[2], name)
end

local function number_of_entry(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

local function first_entry(stream, from)
  return redis.call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
end

local function entry_at(stream, n)
  local id = digits(n) .. '-0'
  return redis.call('XRANGE', stream, id, id)[1]
end

-- The last number that a stream assigned (0: none), and the last one that was deleted
-- by hand. The first is nil for a key that cannot be our stream. This is not the last
-- entry's number: trimming and XDEL remove entries, but their numbers stay used.
local function last_number_of(key)
  local kind = kind_of(key)
  if kind == 'none' then
    return 0, 0
  elseif kind ~= 'stream' then
    return nil, 0
  end
  local info = redis.call('XINFO', 'STREAM', key)
  local deleted = value_of(info, 'max-deleted-entry-id')
  return number_of(string.match(value_of(info, 'last-generated-id'), '^%d+')),
    deleted and tonumber(string.match(deleted, '^%d+')) or 0
end

local function stored_head(meta)
  if kind_of(meta) ~= 'hash' then
    return nil
  end
  local epoch, n, base, at, last, tag =
    unpack(redis.call('HMGET', meta, 'epoch', 'n', 'base', 'at', 'last', 'tag'))
  n, base, at = number_of(n), number_of(base), timestamp_of(at)
  if is_hex16(epoch) and n and base and at and (n == base or base < n and is_hex16(tag)) then
    return { epoch = epoch, n = n, base = base, at = at, last = last, tag = n > base and tag }
  end
end

-- Whether the log ends with the entry that meta names, or is empty in an epoch that
-- just began. Otherwise one of the two was lost, restored or modified, and old cursors
-- must not be trusted.
local function agrees(head, log, log_last)
  if head.n == head.base then
    return log_last < head.n
  end
  if log_last ~= head.n then
    return false
  end
  local entry = entry_at(log, head.n)
  return not entry or field(entry, 'd') == head.last
end

-- The head that log and meta agree on, or one of a new epoch (`is_new`), which
-- `write_head` must store. `room_last` is the last number of a room's stream that is
-- about to be written, if any.
local function read_head(log, meta, new_epoch, room_last)
  local head, log_last = stored_head(meta), last_number_of(log)
  if head and log_last and agrees(head, log, log_last) and (room_last or 0) <= head.n then
    return head
  end
  local used = math.max(log_last or 0, room_last or 0, head and head.n or 0)
  local base = math.max(now_us, used + 1)
  return {
    epoch = new_epoch, n = base, base = base, at = now_ms,
    is_new = true, is_log_lost = log_last == nil,
  }
end

local function write_head(head, log, meta)
  if head.is_log_lost then
    redis.call('DEL', log)
  end
  redis.call('DEL', meta)
  redis.call(
    'HSET', meta, 'epoch', head.epoch, 'n', digits(head.n), 'base', digits(head.base),
    'at', digits(head.at)
  )
end
