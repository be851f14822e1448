-- KEYS: the run's record, the stream's index of runs.
-- ARGV: run, request, end, how long a record is kept in milliseconds.
local record, index = KEYS[1], KEYS[2]
local keep = tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if redis.call('EXISTS', record) == 0 then
  redis.call('HSET', record, 'request', ARGV[2], 'end', ARGV[3], 'cursor', '0-0', 'appended', 0,
    'finished', 0, 'begun', now, 'moved', now)
  redis.call('PEXPIRE', record, keep)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now - keep)
  redis.call('ZADD', index, now, ARGV[1])
end
return redis.call('HGETALL', record)
