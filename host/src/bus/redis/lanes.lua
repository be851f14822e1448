-- ARGV: group, consumer, window, now as text, budget, most lanes, state or '', lane or ''.
local most, wanted, only = tonumber(ARGV[6]), ARGV[7], ARGV[8]

local function state_of(token)
  if is_stopped(token) then
    return 'stopped'
  end
  return parse(token) and 'held' or 'waiting'
end

local lanes
if only ~= '' then
  local token = redis.call('HGET', LANES, only)
  lanes = token and { only, token } or {}
else
  lanes = redis.call('HGETALL', LANES)
end

local total, found = 0, {}
for i = 1, #lanes, 2 do
  local lane, token = lanes[i], lanes[i + 1]
  local state = state_of(token)
  if wanted == '' or wanted == state then
    total = total + 1
    if #found < most then
      local _, id, stopped_at = string.match(token, '^(stopped)|(.*)|(.*)$')
      local held_by, held_id, _, attempt, alone = parse(token)
      local head = held_id
      if not head then
        local member = first_waiting(lane, 0)
        head = member and entry_of(lane, member)
      end
      local failed, lost, _, history = tried(head or '')
      found[#found + 1] = {
        lane, state, count_waiting(lane), head or '', count_runs(failed, lost), history, lost,
        redis.call('ZSCORE', READY, lane) or '',
        held_by or '', attempt or '', alone or '', id or '', stopped_at or '',
      }
    end
  end
end
return { total, string.format('%.0f', now), found }
