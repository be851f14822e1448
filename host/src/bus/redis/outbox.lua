-- The oldest outputs in a group's outboxes. KEYS: the outboxes. ARGV: outputs of each, bytes of
-- each, at the most. Gives for each that is not empty: its number in KEYS, whether there is more
-- in it, its outputs.
local most, budget = tonumber(ARGV[1]), tonumber(ARGV[2])

local number = {}
local read = { 'XREAD', 'COUNT', most, 'STREAMS' }
for i, outbox in ipairs(KEYS) do
  number[outbox] = i
  read[4 + i] = outbox
  read[4 + #KEYS + i] = '0'
end

local waiting = {}
for _, found in ipairs(redis.call(unpack(read)) or {}) do
  local entries, bytes = {}, 0
  for i, entry in ipairs(found[2]) do
    if bytes >= budget then
      break
    end
    entries[i] = entry
    for _, text in ipairs(entry[2]) do
      bytes = bytes + #text
    end
  end
  local more = (#entries < #found[2] or #entries == most) and 1 or 0
  waiting[#waiting + 1] = { number[found[1]], more, entries }
end
return waiting
