-- ARGV: group, consumer, window, now as text, budget, what to do, lane, lease.
--   release:   a stopped lane goes on
--   retry_now: a lane whose head waits goes on with it at once
--   claim:     the same, and this consumer gets the head
-- Answers with what the lane was before; the head comes along with a claim.
local wish, lane, lease = ARGV[6], ARGV[7], tonumber(ARGV[8])
local token = redis.call('HGET', LANES, lane)

if not token then
  return { 'free', '' }
end
local held_by = parse(token)
if held_by then
  return { 'held', held_by }
end
local stopped = is_stopped(token)
if stopped ~= (wish == 'release') then
  return { stopped and 'stopped' or 'waiting', '' }
end

local member = first_waiting(lane, 0)
if stopped then
  redis.call('HINCRBY', META, 'held_back', 0 - count_waiting(lane))
  redis.call('HINCRBY', META, 'stopped', -1)
end
if not member then
  redis.call('HDEL', LANES, lane)
  redis.call('ZREM', READY, lane)
  return { 'done', '' }
end
redis.call('HSET', LANES, lane, '')
redis.call('ZADD', READY, now, lane)
local id = entry_of(lane, member)
local failed, lost, aside_until, history = tried(id)
if aside_until ~= '' then
  note_tries(id, failed, lost, '', history)
end
if wish == 'claim' then
  redis.call('ZADD', HOSTS, now + lease, consumer)
  return { 'done', '', take_head(lane) or false }
end
return { 'done', '' }
