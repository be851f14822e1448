-- ARGV: group, consumer, window, now as text, budget, lane, entry, fence.
-- Notes that the run which begins is the only one in its host; 0 where the lane is held no more.
local lane, id, fence = ARGV[6], ARGV[7], ARGV[8]
local held_by, held_id, held_fence, attempt = parse(redis.call('HGET', LANES, lane))
if held_by ~= consumer or held_id ~= id or held_fence ~= fence then
  return 0
end
redis.call('HSET', LANES, lane, table.concat({ consumer, id, fence, attempt, '1' }, '|'))
return 1
