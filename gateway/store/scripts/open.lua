-- Where the log stands, and what it says about a position in it. Begins a new epoch if
-- log and meta disagree.
-- KEYS: log · log:meta
-- ARGV: name for a new epoch · epoch to leave, or '' · number of a position, or ''
-- Replies with names and values: epoch, n, base; tag (of the entry at n); event (at the
-- position); is_followed (whether all entries after the position are there);
-- complete_since (when the complete part of the history begins, ms).
local log, meta = unpack(KEYS)
local new_epoch, leave, position = ARGV[1], ARGV[2], number_of(ARGV[3])

local head = read_head(log, meta, new_epoch)
if head.epoch == leave then
  head = { epoch = new_epoch, n = math.max(now_us, head.n + 1), at = now_ms, is_new = true }
  head.base = head.n
end
if head.is_new then
  write_head(head, log, meta)
end

local function event_at(n)
  local entry = entry_at(log, n)
  return entry and field(entry, 'j') or false
end

local complete_since = now_ms
local first = first_entry(log, digits(head.base + 1) .. '-0')
if head.n == head.base or first and number_of_entry(first) == head.base + 1 then
  complete_since = head.at
elseif first and timestamp_of(field(first, 't')) then
  complete_since = timestamp_of(field(first, 't'))
end

local event, is_followed = false, 0
if position then
  local _, deleted = last_number_of(log)
  event = event_at(position)
  if position >= head.n or event_at(position + 1) and deleted <= position then
    is_followed = 1
  end
end
return {
  'epoch', head.epoch, 'n', digits(head.n), 'base', digits(head.base), 'tag', head.tag or false,
  'event', event, 'is_followed', is_followed,
  'complete_since', digits(math.min(complete_since, now_ms)),
}
