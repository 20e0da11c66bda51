-- What the scripts share: where the log stands, and whether that can be believed. Only `begin` and `make_way` write.
--
-- The head is the hash `log:meta`: epoch, base (the number before the epoch's first), at (when it began, ms), n (the last
-- number given out), last and tag (that entry's dedupe hash and tag; none while n is base). Numbers are microseconds of the
-- server's clock at the epoch's beginning and count up from there, so they stay below 2^53 and Lua counts them exactly; they
-- are printed by `digits`, never by `..`, which says 1.7636e+15.

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
-- Ten years ahead of the clock is no number of ours: what holds one is damaged and counts as lost.
local limit = now_us + 315576000000000

local function digits(n)
  return string.format('%.0f', n)
end

local function number_of(text)
  local n = text and string.match(text, '^%d+$') and tonumber(text)
  return n and n < limit and n or nil
end

local function moment_of(text)
  local ms = number_of(text)
  return ms and ms < limit / 1000 and ms or nil
end

local function is_hex16(text)
  return text and string.match(text, '^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$') ~= nil
end

local function kind_of(key)
  return redis.call('TYPE', key).ok
end

-- A person may have put anything under a key: what is of another kind goes.
local function make_way(key, kind)
  local found = kind_of(key)
  if found ~= kind and found ~= 'none' then
    redis.call('DEL', key)
  end
end

local function part(info, name)
  for i = 1, #info, 2 do
    if info[i] == name then
      return info[i + 1]
    end
  end
end

-- The last number that a stream gave out (0: none), and the last one that was deleted by hand. The first is nil for a key
-- that cannot be our stream. Not the last entry's id: trimming and XDEL take entries away, but their ids stay used up.
local function last_of(key)
  local kind = kind_of(key)
  if kind == 'none' then
    return 0, 0
  elseif kind ~= 'stream' then
    return nil, 0
  end
  local info = redis.call('XINFO', 'STREAM', key)
  local deleted = part(info, 'max-deleted-entry-id')
  return number_of(string.match(part(info, 'last-generated-id'), '^%d+')),
    deleted and tonumber(string.match(deleted, '^%d+')) or 0
end

local function kept_head(meta)
  if kind_of(meta) ~= 'hash' then
    return nil
  end
  local kept = redis.call('HMGET', meta, 'epoch', 'n', 'base', 'at', 'last', 'tag')
  local n, base, at = number_of(kept[2]), number_of(kept[3]), moment_of(kept[4])
  if is_hex16(kept[1]) and n and base and at and (n == base or base < n and is_hex16(kept[6])) then
    return { epoch = kept[1], n = n, base = base, at = at, last = kept[5], tag = n > base and kept[6] }
  end
end

-- The log ends with the entry that meta says, or has nothing yet of an epoch that just began. Anything else means that one
-- of the two was lost, restored or meddled with, and that old cursors must not be believed.
local function agrees(head, log, log_last)
  if head.n == head.base then
    return log_last < head.n
  end
  if log_last ~= head.n then
    return false
  end
  local entry = redis.call('XRANGE', log, digits(head.n) .. '-0', digits(head.n) .. '-0')[1]
  return not entry or entry[2][6] == head.last
end

-- The head that log and meta agree on, or one of a new epoch (`is_new`), which `begin` still has to write. `room_last`: the
-- last number of a room's stream that is about to be written, if there is one.
local function ask_head(log, meta, epoch, room_last)
  local head, log_last = kept_head(meta), last_of(log)
  if head and log_last and agrees(head, log, log_last) and (room_last or 0) <= head.n then
    return head
  end
  local base = math.max(now_us, (log_last or 0) + 1, (room_last or 0) + 1, (head and head.n or 0) + 1)
  return { epoch = epoch, n = base, base = base, at = now_ms, is_new = true, is_log_lost = log_last == nil }
end

local function begin(head, log, meta)
  if head.is_log_lost then
    redis.call('DEL', log)
  end
  redis.call('DEL', meta)
  redis.call('HSET', meta, 'epoch', head.epoch, 'n', digits(head.n), 'base', digits(head.base), 'at', digits(head.at))
end
