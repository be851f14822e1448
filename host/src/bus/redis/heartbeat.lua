-- ARGV: group, consumer, window, now as text, budget, lease, whether this host leaves.
-- Frees what hosts without a running lease hold. A host that is lost uses up the attempt,
-- leaving does not.
local lease, leaves = tonumber(ARGV[6]), ARGV[7] == '1'

if leaves then
  redis.call('ZREM', HOSTS, consumer)
else
  redis.call('ZADD', HOSTS, now + lease, consumer)
end

-- Where nobody at all was heard of for half a lease, the bus was away and not the hosts: each
-- gets the time to be heard of again. Not for a whole one: the bus may be away for less, and the
-- leases of those that were heard of first end in that time.
local last_beat = tonumber(redis.call('HGET', META, 'beat') or now)
if now - last_beat > lease / 2 then
  redis.call('HSET', META, 'grace', now + lease)
end
redis.call('HSET', META, 'beat', now)

local alive = {}
local grace = tonumber(redis.call('HGET', META, 'grace') or 0)
if now >= grace then
  redis.call('ZREMRANGEBYSCORE', HOSTS, '-inf', '(' .. now)
end
for _, name in ipairs(redis.call('ZRANGE', HOSTS, 0, -1)) do
  alive[name] = true
end

local function note_loss(id, fence, attempt, host, alone)
  local failed, lost, due, history = tried(id)
  local run = cjson.encode({
    attempt = tonumber(attempt),
    at = ARGV[4],
    error_type = 'host_error',
    error_message = 'nothing more was heard of the host ' .. host,
    lost = alone == '1' and 'alone' or 'in_company',
    fence = tonumber(fence),
  })
  local earlier = #history > #'[]' and string.sub(history, 1, -2) .. ',' or '['
  note_tries(id, failed, lost .. fence .. ',', due, earlier .. run .. ']')
end

local freed = 0
local lanes = redis.call('HGETALL', LANES)
for i = 1, #lanes, 2 do
  local lane = lanes[i]
  local held_by, id, fence, attempt, alone = parse(lanes[i + 1])
  if held_by and not alive[held_by] then
    if held_by ~= consumer then
      note_loss(id, fence, attempt, held_by, alone)
    end
    park(lane, id, now)
    freed = freed + 1
  end
end

local soonest = redis.call('ZRANGE', HOSTS, 0, 0, 'WITHSCORES')[2]
local next_end = math.max(tonumber(soonest or now + lease), grace) - now
return { freed, redis.call('ZCOUNT', READY, '-inf', now), next_end }
