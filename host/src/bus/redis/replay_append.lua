-- KEYS: the stream, the run's record, the stream's index of runs.
-- ARGV: run, after, through, finishes ('1' or '0'), how long a record is kept in milliseconds, then
--   for each event: its number of fields, names and values.
-- Compare and set: a step is done only from the cursor that it was worked out from. The first
-- write is the one that Redis refuses when its memory is full.
local stream, record, index = KEYS[1], KEYS[2], KEYS[3]
local run, after, through, finishes, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

if redis.call('HGET', record, 'cursor') ~= after then
  return redis.call('HGETALL', record)
end
local kind = redis.call('TYPE', stream).ok
if kind ~= 'stream' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. stream .. ' is a ' .. kind .. ' and no stream')
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at, appended = 6, 0
while at <= #ARGV do
  local last = at + 2 * tonumber(ARGV[at])
  redis.call('XADD', stream, '*', unpack(ARGV, at + 1, last))
  at = last + 1
  appended = appended + 1
end
redis.call('HINCRBY', record, 'appended', appended)
redis.call('HSET', record, 'cursor', through, 'finished', finishes, 'moved', now)
redis.call('PEXPIRE', record, keep)
redis.call('ZADD', index, now, run)
return redis.call('HGETALL', record)
