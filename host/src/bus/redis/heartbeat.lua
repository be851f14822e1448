-- ARGV: group, consumer, window, now as text, budget, lease. A lease of 0 ends this host's own.
-- Frees what hosts without a running lease hold. A crash uses up the attempt, leaving does not.
local lease = tonumber(ARGV[6])

if lease > 0 then
  redis.call('ZADD', HOSTS, now + lease, consumer)
else
  redis.call('ZREM', HOSTS, consumer)
end
redis.call('ZREMRANGEBYSCORE', HOSTS, '-inf', '(' .. now)

local alive = {}
for _, name in ipairs(redis.call('ZRANGE', HOSTS, 0, -1)) do
  alive[name] = true
end

local freed = 0
local lanes = redis.call('HGETALL', LANES)
for i = 1, #lanes, 2 do
  local lane = lanes[i]
  local held_by, id, _, attempt = parse(lanes[i + 1])
  if held_by and not alive[held_by] then
    if held_by ~= consumer then
      redis.call('HSET', TRY, id, attempt .. '|' .. history_of(id))
    end
    park(lane, id, now)
    freed = freed + 1
  end
end
return freed
