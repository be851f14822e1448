-- ARGV: group, consumer, window, now as text, budget, then the fences that the host knows of.
local known = {}
for i = 6, #ARGV do
  known[ARGV[i]] = true
end

local found = {}
local lanes = redis.call('HGETALL', LANES)
for i = 1, #lanes, 2 do
  local lane = lanes[i]
  local held_by, id, fence, attempt = parse(lanes[i + 1])
  if held_by == consumer and not known[fence] and has_budget() then
    local entry = redis.call('XRANGE', stream, id, id)[1]
    local fields = entry and entry[2] or {}
    local _, lost, _, history = tried(id)
    count_bytes(fields)
    found[#found + 1] = { id, lane, tonumber(fence), tonumber(attempt), history, lost, fields }
  end
end
return found
