-- ARGV: group, consumer, window, now as text, budget, lease, max, parked limit, types (JSON: type -> paths)
local lease, max, parked_limit = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local types = cjson.decode(ARGV[9])

redis.call('ZADD', HOSTS, now + lease, consumer)

local function aggregate(data, paths)
  if type(data) ~= 'table' then
    data = data and json(data)
  end
  for _, path in ipairs(paths) do
    local value = data
    for key in string.gmatch(path, '[^.]+') do
      if type(value) == 'table' then
        value = value[key]
      else
        value = nil
      end
    end
    if value ~= nil and value ~= cjson.null then
      return uuid(value)
    end
  end
end

local deliveries = {}

for _, lane in ipairs(redis.call('ZRANGEBYSCORE', READY, '-inf', now, 'LIMIT', 0, max)) do
  local delivery = has_budget() and take_head(lane)
  if delivery then
    deliveries[#deliveries + 1] = delivery
  end
end

local more = 0
local cursor
local room = max - #deliveries
-- What waits in stopped lanes does not count: it holds back no other lane.
local held_back = tonumber(redis.call('HGET', META, 'held_back') or 0)
local full = redis.call('ZCARD', WAIT) - held_back >= parked_limit and 1 or 0
if room > 0 and full == 0 and has_budget() then
  local reply = redis.call('XREADGROUP', 'GROUP', group, 'hothouse', 'COUNT', room, 'STREAMS', stream, '>')
  local entries = reply and reply[1] and reply[1][2] or {}
  local skipped = {}
  for _, entry in ipairs(entries) do
    local id, fields = entry[1], entry[2]
    local by_name = map(fields)
    local kind, event_id, data = envelope(by_name)
    local for_others = by_name.target_group and by_name.target_group ~= group
    if for_others or (type(kind) == 'string' and not types[kind]) then
      skipped[#skipped + 1] = id
    elseif event_id and is_done(event_id, id) then
      redis.call('HINCRBY', META, 'duplicates', 1)
      skipped[#skipped + 1] = id
    else
      local lane = type(kind) == 'string' and aggregate(data, types[kind]) or '!' .. id
      local busy = redis.call('HGET', LANES, lane)
      if busy and busy ~= 'aside' then
        -- Where somebody set the group back, it may wait there already.
        local added = redis.call('ZADD', WAIT, 0, waiting(lane, id))
        if added == 1 and is_stopped(busy) then
          redis.call('HINCRBY', META, 'held_back', 1)
        end
      elseif not has_budget() then
        park(lane, id, now)
      else
        if busy then
          redis.call('ZREM', READY, lane)
        end
        deliveries[#deliveries + 1] = deliver(lane, id, fields, 0, '', '')
      end
    end
    cursor = id
  end
  for first = 1, #skipped, 1000 do
    redis.call('XACK', stream, group, unpack(skipped, first, math.min(first + 999, #skipped)))
  end
  if cursor then
    more = 1
    redis.call('HSET', META, 'cursor', cursor)
  end
end

if not cursor then
  local groups = redis.call('EXISTS', stream) == 1 and redis.call('XINFO', 'GROUPS', stream) or {}
  for _, info in ipairs(groups) do
    local by_name = map(info)
    if by_name.name == group then
      cursor = by_name['last-delivered-id']
    end
  end
  if not cursor then
    return redis.error_reply('NOGROUP ' .. group .. ' on ' .. stream)
  end
end

local next_due = -1
local first = redis.call('ZRANGE', READY, 0, 0, 'WITHSCORES')
if first[2] then
  next_due = math.max(0, tonumber(first[2]) - now)
end

return { deliveries, next_due, more, full, cursor or '0-0' }
