-- KEYS: stream, its trim record. ARGV: age in milliseconds or '', number to keep or '', 1 for a
-- dry run, entries found by the dry run so far, where it goes on, entries to look at, bytes to
-- look at, then the groups that must be there.
-- Looks at the stream's front and removes what may go of it. Never an entry that a group has
-- not read or has not acknowledged: by the native pending list, and by our own books, which
-- alone know of it where somebody deleted the group.
local stream, record = KEYS[1], KEYS[2]
local age, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local dry, found, from = ARGV[3] == '1', tonumber(ARGV[4]), ARGV[5]
local most, budget = tonumber(ARGV[6]), tonumber(ARGV[7])

-- Entries are copied to be counted: a few at a time.
local AT_ONCE = 16

-- The number after a number of any length: Lua's own are floats.
local function plus_one(digits)
  local head, digit, nines = string.match(digits, '^(.-)([0-8])(9*)$')
  if not head then
    return '1' .. string.rep('0', #digits)
  end
  return head .. digit + 1 .. string.rep('0', #nines)
end

local function after(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  if seq == '18446744073709551615' then
    return plus_one(ms) .. '-0'
  end
  return ms .. '-' .. plus_one(seq)
end

if redis.call('EXISTS', stream) == 0 then
  return { 0, '', '', '', 0 }
end

-- What is held is before `first` (padded), or, where that is not set, after `read` (padded).
local function holds(group)
  local name, first = group.name, nil
  local function hold(padded)
    if not first or padded < first then
      first = padded
    end
  end
  local pending = redis.call('XPENDING', stream, name)
  if pending[1] > 0 then
    hold(pad(pending[2]))
  end
  local base = '{' .. stream .. '}:' .. name
  for _, member in ipairs(redis.call('ZRANGE', base .. ':wait', 0, -1)) do
    hold(string.sub(member, -41))
  end
  for _, token in ipairs(redis.call('HVALS', base .. ':lanes')) do
    local id = string.match(token, '|(%d+%-%d+)|%d+|%d+|')
    if id then
      hold(pad(id))
    end
  end
  return first, pad(group['last-delivered-id'])
end

local groups, there = {}, {}
for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group = map(info)
  there[group.name] = true
  local first, read = holds(group)
  groups[#groups + 1] = { name = group.name, first = first, read = read }
end
local missing
for i = 8, #ARGV do
  missing = missing or (not there[ARGV[i]] and ARGV[i])
end

local function held_by(id)
  if missing then
    return { 'missing', missing }
  elseif #groups == 0 then
    return { 'nogroup', '' }
  end
  local padded = pad(id)
  for _, group in ipairs(groups) do
    if padded > group.read or (group.first and padded >= group.first) then
      return { 'group', group.name }
    end
  end
end

local time = redis.call('TIME')
local oldest = age and time[1] * 1000 + math.floor(time[2] / 1000) - age
local room = keep and redis.call('XLEN', stream) - keep - found
local removed, last, held, more = 0, '', { '', '' }, 1

local looked, bytes = 0, 0
while more == 1 and looked < most and bytes < budget do
  local entries = redis.call('XRANGE', stream, from, '+', 'COUNT', AT_ONCE)
  if #entries == 0 then
    more = 0
  end
  for _, entry in ipairs(entries) do
    local id = entry[1]
    local ms = tonumber(string.match(id, '^%d+'))
    if (room and removed >= room) or (oldest and ms >= oldest) then
      more = 0
      break
    end
    local by = held_by(id)
    if by then
      held, more = by, 0
      break
    end
    removed, last, from = removed + 1, id, '(' .. id
    looked = looked + 1
    for _, value in ipairs(entry[2]) do
      bytes = bytes + #value
    end
  end
end

if removed > 0 and not dry then
  -- First what Redis does when its memory is full as well.
  redis.call('XTRIM', stream, 'MINID', '=', after(last))
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  redis.call('HINCRBY', record, 'removed', removed)
  redis.call('HSET', record, 'first', first and first[1] or '')
end
return { removed, last, held[1], held[2], more }
