-- ARGV: group, consumer, window, now as text, budget, after, max. A page of the dead letters:
-- fewer than `max` where their bodies are large.
local after, max = ARGV[6], tonumber(ARGV[7])
local page = {}
while #page < max and has_budget() do
  local entries = redis.call('XRANGE', DLQ, '(' .. after, '+', 'COUNT', math.min(8, max - #page))
  if #entries == 0 then
    break
  end
  for _, entry in ipairs(entries) do
    after = entry[1]
    page[#page + 1] = entry
    count_bytes(entry[2])
    if not has_budget() then
      break
    end
  end
end
return page
