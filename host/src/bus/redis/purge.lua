-- ARGV: group, consumer, window, now as text, budget, reason, then the dead letters. Deletes
-- them and writes down that it did. The deletion comes first: where Redis's memory is full,
-- this is what frees some, and once it has begun nothing of it is refused.
local reason = ARGV[6]
local PURGED = base .. ':purged'

-- About this many are kept.
local MOST_RECORDS = 10000

local kind = redis.call('TYPE', PURGED).ok
if kind ~= 'stream' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. PURGED .. ' is a ' .. kind .. ' and no stream')
end

local function error_type_of(by_name)
  local said = by_name.hothouse and json(by_name.hothouse) or {}
  return type(said.error_type) == 'string' and said.error_type or ''
end

local purged = 0
for i = 7, #ARGV do
  local letter = ARGV[i]
  local found = redis.call('XRANGE', DLQ, letter, letter)[1]
  if found then
    local by_name = map(found[2])
    local _, event_id = envelope(by_name)
    local error_type = error_type_of(by_name)
    redis.call('XDEL', DLQ, letter)
    redis.call('XADD', PURGED, 'MAXLEN', '~', MOST_RECORDS, '*', 'letter', letter, 'event_id',
      event_id or '', 'error_type', error_type, 'reason', reason, 'at', ARGV[4])
    purged = purged + 1
  end
end
return purged
