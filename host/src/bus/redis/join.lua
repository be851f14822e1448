-- ARGV: group, consumer, window, now as text, budget, lease, start ('0' or '$'), routes
-- The first write is one that Redis refuses when its memory is full, so that none of the
-- others is done.
local lease, start, routes = tonumber(ARGV[6]), ARGV[7], ARGV[8]

local theirs = redis.call('HGET', META, 'routes')
if theirs and theirs ~= routes then
  local grace = tonumber(redis.call('HGET', META, 'grace') or 0)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', HOSTS, now < grace and '-inf' or now, '+inf')) do
    if name ~= consumer then
      return theirs
    end
  end
end

local exists = false
for _, info in ipairs(redis.call('EXISTS', stream) == 1 and redis.call('XINFO', 'GROUPS', stream) or {}) do
  exists = exists or map(info).name == group
end
if not exists then
  -- Where the group was deleted, our own books say how far it had read.
  local cursor = redis.call('HGET', META, 'cursor') or start
  redis.call('XGROUP', 'CREATE', stream, group, cursor, 'MKSTREAM')
end
redis.call('HSET', META, 'routes', routes, 'window', ARGV[3])
redis.call('ZADD', HOSTS, now + lease, consumer)
return false
