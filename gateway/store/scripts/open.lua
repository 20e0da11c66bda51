-- Where the log stands, and what it says about a place in it. Begins a new epoch when log and meta disagree.
-- KEYS: log, log:meta
-- ARGV: name for a new epoch · epoch to leave behind or '' · number of the place or ''
-- Answers: epoch, n, base · tag at n · event at the place · whether the entries after the place are all there ·
--          when the history that is kept begins, ms
local log, meta = KEYS[1], KEYS[2]
local new_epoch, leave, place = ARGV[1], ARGV[2], number_of(ARGV[3])

local head = ask_head(log, meta, new_epoch)
if head.epoch == leave then
  head = { epoch = new_epoch, n = math.max(now_us, head.n + 1), at = now_ms, is_new = true }
  head.base = head.n
end
if head.is_new then
  begin(head, log, meta)
end

-- Entries are written by the append script alone: epoch, time, dedupe hash, event, in this order.
local function event_at(n)
  local found = redis.call('XRANGE', log, digits(n) .. '-0', digits(n) .. '-0')[1]
  return found and found[2][8] or false
end

local function number_of_entry(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

local complete_since = now_ms
local first = redis.call('XRANGE', log, digits(head.base + 1) .. '-0', '+', 'COUNT', 1)[1]
if head.n == head.base or first and number_of_entry(first) == head.base + 1 then
  complete_since = head.at
elseif first and moment_of(first[2][4]) then
  complete_since = moment_of(first[2][4])
end

local at_place, is_followed = false, 0
if place then
  local _, deleted = last_of(log)
  at_place = event_at(place)
  if place >= head.n or event_at(place + 1) and deleted <= place then
    is_followed = 1
  end
end
return {
  head.epoch, digits(head.n), digits(head.base), head.tag or false, at_place, is_followed, digits(math.min(complete_since, now_ms)),
}
